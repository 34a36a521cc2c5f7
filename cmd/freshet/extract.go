package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

// promptMax bounds the file of a prompt, in bytes.
const promptMax = 1 << 20

func newExtract(config any, env *flowfile.Env) (stream.Operator, error) {
	c := *config.(*operators.ExtractConfig)
	model, err := env.Model(c.Model)
	if err != nil {
		return nil, err
	}
	if c.Prompt.File != "" {
		if c.Prompt.Text, err = readPrompt(env.Path(c.Prompt.File)); err != nil {
			return nil, &stream.Problem{Code: "bad_value", Field: "prompt.file", Message: err.Error(), Hint: "name a text file; a relative path starts at the flow file"}
		}
	}
	if strings.TrimSpace(c.Prompt.Text) == "" {
		return nil, &stream.Problem{Code: "missing_key", Field: "prompt", Message: "the prompt is empty", Hint: "write what is asked: `prompt: \"Read the ticket. {{ row.text }}\"`"}
	}
	return operators.NewExtract(c, model)
}

func readPrompt(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("read prompt: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > promptMax {
		return "", fmt.Errorf("read prompt: %s is no file of at most %d bytes", path, promptMax)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read prompt: %w", err)
	}
	return string(text), nil
}
