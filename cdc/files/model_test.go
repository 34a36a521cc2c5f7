package files_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/cdc/files"
)

// A random life of a folder: what is done to it live, while the source is down, and with crashes at any
// durable position. In the end the rows are the files. I1, I6, I9.
func TestRowsFollowARandomLife(t *testing.T) {
	lives := 12
	switch {
	case os.Getenv("FRESHET_SOAK") == "1":
		lives = 400
	case testing.Short():
		lives = 4
	}
	for life := range lives {
		t.Run(fmt.Sprint("life ", life), func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(life), 7))
			f := newCorpus(t, map[string]string{"keep/a.md": "a"})
			f.options = files.Options{MaxDelete: 1, Reconcile: time.Hour}
			if life%4 == 3 {
				f.options.Poll = 5 * time.Millisecond
			}
			for range 8 {
				for range random.IntN(12) {
					f.mutate(random)
				}
				f.follow()
				if random.IntN(2) == 0 {
					f.in.Defer()
				}
				for range 4 {
					f.burst(random)
				}
				f.reaches(f.disk())
				if random.IntN(2) == 0 {
					f.burst(random) // what the crash interrupts
				}
				f.crash(random)
			}
			f.load()
			f.holds(f.disk())
		})
	}
}

// burst is some changes in a row, with the inlet now and then out of credit.
func (c *corpus) burst(random *rand.Rand) {
	c.t.Helper()
	held := random.IntN(3) == 0
	if held {
		c.in.Hold()
	}
	for range random.IntN(15) {
		c.mutate(random)
		if random.IntN(4) == 0 {
			<-time.After(time.Duration(random.IntN(12)) * time.Millisecond)
		}
	}
	if held {
		c.in.Release()
	}
}

// crash stops the service; what is durable then is what was put up to some change.
func (c *corpus) crash(random *rand.Rand) {
	c.t.Helper()
	c.halt()
	if puts := c.in.Puts(); len(puts) > 0 {
		c.in.Durable(puts[random.IntN(len(puts))].Position)
	}
}

// mutate does one random thing to the folder. Some fail, as their path is not what they need; that is
// part of the game.
func (c *corpus) mutate(random *rand.Rand) {
	name := func() string {
		path := ""
		for range 1 + random.IntN(3) {
			path = filepath.Join(path, string(rune('a'+random.IntN(4))))
		}
		return c.path(path)
	}
	text := []byte(fmt.Sprint("text ", random.IntN(50)))
	switch random.IntN(12) {
	case 0, 1, 2:
		file := name()
		_ = os.MkdirAll(filepath.Dir(file), 0o755)
		_ = os.WriteFile(file, text, 0o644)
	case 3, 4:
		beside := c.path(".edit")
		_ = os.WriteFile(beside, text, 0o644)
		if os.Rename(beside, name()) != nil {
			_ = os.Remove(beside)
		}
	case 5, 6:
		_ = os.Rename(name(), name())
	case 7:
		_ = os.MkdirAll(name(), 0o755)
	case 8:
		_ = os.Remove(name())
	case 9:
		_ = os.RemoveAll(name())
	case 10:
		_ = os.Symlink("..", name())
	case 11:
		if file, err := os.OpenFile(name(), os.O_WRONLY|os.O_APPEND, 0); err == nil {
			_, _ = file.Write(text)
			_ = file.Close()
		}
	}
}

var _ cdctest.Source = (*files.Source)(nil)
