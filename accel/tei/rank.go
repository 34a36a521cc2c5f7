package tei

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/freshet/freshet/accel"
)

var _ accel.Ranker = (*Client)(nil)

type rankQuestion struct {
	Query    string   `json:"query"`
	Texts    []string `json:"texts"`
	Truncate bool     `json:"truncate"`
}

// Rank asks a server whose model is a re-ranker how well the texts answer the query; see [accel.Ranker].
func (c *Client) Rank(ctx context.Context, query string, texts []string) (accel.Ranked, error) {
	return c.Scores(ctx, "rerank", rankQuestion{Query: query, Texts: texts}, query, texts, func(body []byte, put func(int, float64)) (accel.Ranked, error) {
		var said []struct {
			Index int      `json:"index"`
			Score *float64 `json:"score"`
		}
		if json.Unmarshal(body, &said) != nil {
			return accel.Ranked{}, errors.New("the reply is no list of scores")
		}
		for _, r := range said {
			if r.Score != nil {
				put(r.Index, *r.Score)
			}
		}
		return accel.Ranked{}, nil
	})
}
