package openai

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/freshet/freshet/accel"
)

var _ accel.Ranker = (*Client)(nil)

type rankQuestion struct {
	Model     string   `json:"model"`
	Query     string   `json:"query"`
	Documents []string `json:"documents"`
	Return    bool     `json:"return_documents"`
}

// Rank asks rerank how well the texts answer the query; see [accel.Ranker]. OpenAI itself has no such route: it is that of
// Jina and Cohere, which vLLM, LiteLLM, infinity and llama.cpp speak as well.
func (c *Client) Rank(ctx context.Context, query string, texts []string) (accel.Ranked, error) {
	q := rankQuestion{Model: c.Name(), Query: query, Documents: texts}
	return c.Scores(ctx, "rerank", q, query, texts, func(body []byte, put func(int, float64)) (accel.Ranked, error) {
		var said struct {
			Model   string `json:"model"`
			Results []struct {
				Index int      `json:"index"`
				Score *float64 `json:"relevance_score"`
			} `json:"results"`
			Usage struct {
				Total int64 `json:"total_tokens"`
			} `json:"usage"`
		}
		if err := json.Unmarshal(body, &said); err != nil || said.Results == nil {
			return accel.Ranked{}, errors.New("the reply is no list of results")
		}
		for _, r := range said.Results {
			if r.Score != nil {
				put(r.Index, *r.Score)
			}
		}
		return accel.Ranked{Model: said.Model, Usage: accel.Usage{InputTokens: said.Usage.Total}}, nil
	})
}
