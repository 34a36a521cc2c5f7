package main

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/freshet/freshet/accel/builtin"
)

// meaning asks the built-in model which of some thousand comments of Go's standard library goes on after its first
// sentence. None of these texts was there when the model's vectors were made.
func meaning(ctx context.Context, s scale) ([]figure, error) {
	questions, answers, err := comments(filepath.Join(build.Default.GOROOT, "src"), s.of(1_000_000))
	if err != nil {
		return nil, err
	}
	model, err := builtin.New(0)
	if err != nil {
		return nil, err
	}
	asked, err := model.Embed(ctx, questions)
	if err != nil {
		return nil, err
	}
	said, err := model.Embed(ctx, answers)
	if err != nil {
		return nil, err
	}
	among, reciprocal := ranks(asked.Vectors, said.Vectors)
	beside := number(float64(len(questions))) + " comments of " + runtime.Version()
	figures := []figure{
		{Name: "right answer among the first 10", Value: among, Unit: "of 1", Target: 0.60, BesideName: beside},
		{Name: "mean reciprocal rank", Value: reciprocal, Unit: "of 1", Target: 0.39, BesideName: beside},
	}
	rate, took, err := embedRate(ctx, s, model, questions)
	if err != nil {
		return nil, err
	}
	return append(figures, figure{Name: "short texts embedded", Value: rate, Unit: "texts/s/core", Target: 150_000, CPU: took.cpu, Wall: took.wall,
		BesideName: fmt.Sprintf("%.0f bytes a text", mean(questions))}), nil
}

// embedRate embeds the texts, 64 at a time, for a second or more.
func embedRate(ctx context.Context, s scale, model *builtin.Embedder, texts []string) (float64, lap, error) {
	done := 0
	watch := s.watch("embed")
	for began := time.Now(); time.Since(began) < time.Second; {
		for at := 0; at+64 <= len(texts); at += 64 {
			if _, err := model.Embed(ctx, texts[at:at+64]); err != nil {
				return 0, lap{}, err
			}
			done += 64
		}
	}
	took := watch.lap()
	return float64(done) / took.cpu, took, nil
}

func mean(texts []string) float64 {
	bytes := 0
	for _, t := range texts {
		bytes += len(t)
	}
	return float64(bytes) / float64(len(texts))
}

// ranks are the share of questions whose answer is among the ten nearest, and the mean of one over its rank.
func ranks(questions, answers [][]float32) (among, reciprocal float64) {
	for i, q := range questions {
		own, rank := dot(q, answers[i]), 1
		for _, a := range answers {
			if dot(q, a) > own {
				rank++
			}
		}
		if rank <= 10 {
			among++
		}
		reciprocal += 1 / float64(rank)
	}
	n := float64(len(questions))
	return among / n, reciprocal / n
}

// comments are the first sentences of comments in a tree of Go, and what follows them; most at most.
func comments(top string, most int) (first, rest []string, err error) {
	seen := map[string]bool{}
	var p doc.Package
	add := func(group *ast.CommentGroup) {
		text := strings.Join(strings.Fields(group.Text()), " ")
		head := p.Synopsis(text)
		tail := strings.TrimSpace(strings.TrimPrefix(text, head))
		if len(head) < 20 || len(tail) < 60 || !strings.HasPrefix(text, head) || seen[head] || seen[tail] || len(first) == most {
			return
		}
		seen[head], seen[tail] = true, true
		first, rest = append(first, head), append(rest, tail)
	}
	files := token.NewFileSet()
	err = filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == "testdata" || e.Name() == "vendor" || e.Name() == "cmd" || e.Name() == "internal"):
			return filepath.SkipDir
		case e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("read comments: %w", err)
		}
		add(file.Doc)
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() {
					add(d.Doc)
				}
			case *ast.GenDecl:
				add(d.Doc)
			}
		}
		return nil
	})
	if err == nil && len(first) == 0 {
		err = errors.New("read comments: there are none")
	}
	return first, rest, err
}
