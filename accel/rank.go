package accel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/freshet/freshet/backpressure"
)

// Ranker tells how well texts answer a query. Implementations are safe for concurrent use.
type Ranker interface {
	// Rank scores every text. It returns when the reply is complete or ctx ends. An error is an [*Error], or that of
	// ctx; a Ranked beside an error holds no scores, but the usage that was charged.
	Rank(ctx context.Context, query string, texts []string) (Ranked, error)

	// Identity says which model answers. It does not change during the life of a Ranker.
	Identity() Identity
}

// Ranked is a model's word on the texts of one request.
type Ranked struct {
	Scores    []float64 // one for each text, in their order, each finite
	Model     string    // the name that the server gave itself; empty when it gave none
	Usage     Usage
	Announced []backpressure.Announcement // limits that the server told of
}

// AppendPair appends a query and a text as the input of one call; see [Ranking].
func AppendPair(dst []byte, query, text string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(query)))
	return append(append(dst, query...), text...)
}

// pairIn is the query and the text of an input.
func pairIn(input string) (query, text string, err error) {
	n, size := binary.Uvarint([]byte(input[:min(len(input), binary.MaxVarintLen64)]))
	if size <= 0 || n > uint64(len(input)-size) {
		return "", "", errors.New("read a query and a text: the input holds none")
	}
	return input[size : size+int(n)], input[size+int(n):], nil
}

// Ranking makes an Answerer of a ranker. A call is a pair of [AppendPair], and its answer the score, for [ScoreIn]. Calls
// with the query of the first go in one request, the others later.
func Ranking(r Ranker) Answerer { return ranking{r} }

type ranking struct{ Ranker }

// Answer implements [Answerer].
func (r ranking) Answer(ctx context.Context, asked []Asked) (Answers, error) {
	var query string
	var texts []string
	var places []int // in asked, of each text
	each := make([]Answer, len(asked))
	for i, a := range asked {
		q, text, err := pairIn(a.Text)
		if err != nil {
			return Answers{}, err
		}
		if i == 0 {
			query = q
		}
		if each[i].Later = q != query; !each[i].Later {
			texts, places = append(texts, text), append(places, i)
		}
	}
	ranked, err := r.Rank(ctx, query, texts)
	all := Answers{Model: ranked.Model, Usage: ranked.Usage, Announced: ranked.Announced}
	if e, ok := errors.AsType[*Error](err); ok && len(e.Rows) > 0 {
		moved := *e
		moved.Rows = nil
		for _, row := range e.Rows {
			if 0 <= row && row < len(places) {
				moved.Rows = append(moved.Rows, places[row])
			}
		}
		err = &moved
	}
	if err == nil {
		err = checkScores(ranked.Scores, len(texts))
	}
	if err != nil {
		return all, err
	}
	for i, score := range ranked.Scores {
		each[places[i]].Text = binary.LittleEndian.AppendUint64(nil, math.Float64bits(score))
	}
	all.Each = each
	return all, nil
}

func checkScores(scores []float64, n int) error {
	if len(scores) != n {
		return malformed("the reply has %d scores for %d texts", len(scores), n)
	}
	for _, s := range scores {
		if s-s != 0 {
			return malformed("the reply has a score that is not finite")
		}
	}
	return nil
}

// Cost implements [Answerer]: the query is read once more for each text.
func (r ranking) Cost(asked Asked) backpressure.Cost {
	return backpressure.Cost{Rows: 1, Input: int64(EstimateTokens(asked.Text))}
}

// ScoreIn reads the answer to a pair.
func ScoreIn(answer []byte) (float64, error) {
	if len(answer) != 8 {
		return 0, fmt.Errorf("read score: %d bytes, not 8", len(answer))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(answer)), nil
}
