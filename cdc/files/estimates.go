package files

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/freshet/freshet/cdc"
)

// estimateTime is how long an estimate looks through the folder; beyond it the number is not known.
const estimateTime = 5 * time.Second

// Estimates implements stream.Estimator: how many files the globs keep, and how large they are. A file that is too
// large is rejected, and counts for nothing.
func (s *Source) Estimates(ctx context.Context) ([]cdc.Estimate, error) {
	root, _, err := s.open()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	ctx, cancel := context.WithTimeout(ctx, estimateTime)
	defer cancel()
	var all cdc.Estimate
	w := walker{filter: &s.filter, blocked: func(string, error) error { return nil }, file: func(dir *os.Root, base, _ string) error {
		info, err := dir.Lstat(base)
		if err != nil || info.Size() > s.options.MaxSize {
			return nil // gone meanwhile, or a dead letter of the run
		}
		all.Rows++
		all.Bytes += info.Size()
		return nil
	}}
	err = w.walk(ctx, root, "", 0)
	if errors.Is(err, context.DeadlineExceeded) {
		return []cdc.Estimate{{Rows: -1, Bytes: -1}}, nil
	}
	return []cdc.Estimate{all}, err
}
