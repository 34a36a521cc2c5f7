package split

import (
	"fmt"
	"slices"
	"strings"
)

// Version is the version of the algorithm. It changes when any text is split differently than before, so that a
// fingerprint that covers it makes old chunks be derived again.
const Version = 1

// By is the manner of splitting. The zero value is Recursive.
type By uint8

const (
	// Recursive cuts at blank lines before line ends, then sentences, clauses, words, and last inside a word.
	Recursive By = iota
	// Markdown cuts between sections, then blocks, then list items; what is longer than that as Recursive does.
	Markdown
	// Code cuts between declarations, then blocks, blank lines and lines of a programming language.
	Code
	// Sentence cuts between sentences (UAX #29) without regard to paragraphs, and packs them evenly.
	Sentence
)

var byNames = [...]string{"recursive", "markdown", "code", "sentence"}

// String returns the name that ParseBy reads.
func (b By) String() string {
	if int(b) < len(byNames) {
		return byNames[b]
	}
	return fmt.Sprintf("By(%d)", uint8(b))
}

// Bys returns the names that ParseBy reads, in order of declaration.
func Bys() []string { return slices.Clone(byNames[:]) }

// ParseBy reads the name of a manner of splitting. The error is an OptionError for the field "by".
func ParseBy(name string) (By, error) {
	if i := slices.Index(byNames[:], name); i >= 0 {
		return By(i), nil
	}
	return 0, OptionError{"by", fmt.Sprintf("unknown value %q", name), "use " + oneOf(byNames[:])}
}

// Unit is what Size and Overlap count. The zero value is Chars.
type Unit uint8

const (
	// Chars counts Unicode code points.
	Chars Unit = iota
	// Tokens counts tokens of the vocabulary cl100k_base.
	Tokens
)

var unitNames = [...]string{"chars", "tokens"}

// String returns the name that ParseUnit reads.
func (u Unit) String() string {
	if int(u) < len(unitNames) {
		return unitNames[u]
	}
	return fmt.Sprintf("Unit(%d)", uint8(u))
}

// Units returns the names that ParseUnit reads, in order of declaration.
func Units() []string { return slices.Clone(unitNames[:]) }

// ParseUnit reads the name of a unit. The error is an OptionError for the field "unit".
func ParseUnit(name string) (Unit, error) {
	if i := slices.Index(unitNames[:], name); i >= 0 {
		return Unit(i), nil
	}
	return 0, OptionError{"unit", fmt.Sprintf("unknown value %q", name), "use " + oneOf(unitNames[:])}
}

// Defaults of Options.Size, per unit.
const (
	DefaultChars  = 1000
	DefaultTokens = 400
)

// tokensMin is the least room that a chunk needs in tokens: one code point can be as many as four.
const tokensMin = 4

// Options says how a text is split. The zero value splits recursively into chunks of at most 1000 code points.
type Options struct {
	// By is the manner of splitting; the default is Recursive.
	By By
	// Size is the most that a chunk measures, in Unit. 0 means DefaultChars or DefaultTokens.
	Size int
	// Overlap is how much of the text before it a chunk may repeat at its start, in Unit, as a part of its Size.
	// It must be below Size. The default is 0, no overlap.
	Overlap int
	// Unit is what Size and Overlap count; the default is Chars.
	Unit Unit
	// Language is the programming language of the text. Code needs it, nothing else reads it.
	Language Language
}

// OptionError is one problem of Options.
type OptionError struct {
	// Field is the option at fault: by, size, overlap, unit or language.
	Field string
	// Problem says what is wrong with it, with the value that was given.
	Problem string
	// Hint says what to write instead.
	Hint string
}

func (e OptionError) Error() string { return e.Field + ": " + e.Problem }

// OptionErrors are all problems of Options, in the order of its fields, at least one.
type OptionErrors []OptionError

func (e OptionErrors) Error() string {
	texts := make([]string, len(e))
	for i, p := range e {
		texts[i] = p.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap lets errors.As find the first problem.
func (e OptionErrors) Unwrap() []error {
	all := make([]error, len(e))
	for i, p := range e {
		all[i] = p
	}
	return all
}

// Validate returns nil or OptionErrors with every problem of the options.
func (o Options) Validate() error {
	var all OptionErrors
	add := func(field, problem, hint string) { all = append(all, OptionError{field, problem, hint}) }

	if int(o.By) >= len(byNames) {
		add("by", fmt.Sprintf("unknown value %v", o.By), "use "+oneOf(byNames[:]))
	}
	room, unit := 1, "chars"
	if o.Unit == Tokens {
		room, unit = tokensMin, "tokens"
	}
	size := o.withDefaults().Size
	if size < room {
		add("size", fmt.Sprintf("%d is too small", o.Size),
			fmt.Sprintf("use %d %s or more, or leave it out for %d", room, unit, Options{Unit: o.Unit}.withDefaults().Size))
	}
	switch {
	case o.Overlap < 0:
		add("overlap", fmt.Sprintf("%d is negative", o.Overlap), "use 0 for no overlap")
	case size >= room && o.Overlap > size-room:
		add("overlap", fmt.Sprintf("%d leaves no room in a size of %d", o.Overlap, size),
			fmt.Sprintf("use %d or less; a tenth of size is usual", size-room))
	}
	if int(o.Unit) >= len(unitNames) {
		add("unit", fmt.Sprintf("unknown value %v", o.Unit), "use "+oneOf(unitNames[:]))
	}
	switch {
	case o.Language < 0 || int(o.Language) >= len(grammars):
		add("language", fmt.Sprintf("unknown value %v", o.Language), "use "+oneOf(Languages()))
	case o.By == Code && o.Language == 0:
		add("language", "missing, splitting by code needs it", "use "+oneOf(Languages()))
	case o.By != Code && o.Language != 0:
		add("language", fmt.Sprintf("%v is not read when splitting by %v", o.Language, o.By),
			"leave it out, or split by code")
	}
	if len(all) > 0 {
		return all
	}
	return nil
}

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	if o.Size == 0 {
		o.Size = DefaultChars
		if o.Unit == Tokens {
			o.Size = DefaultTokens
		}
	}
	return o
}

// oneOf writes names as a choice: "a, b or c".
func oneOf(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
