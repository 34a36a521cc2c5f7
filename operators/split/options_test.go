package split_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/operators/split"
)

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name    string
		options split.Options
		want    string // "" for none
	}{
		{"the zero value is right", split.Options{}, ""},
		{"everything may be set", split.Options{By: split.Code, Size: 400, Overlap: 40, Unit: split.Tokens, Language: split.Rust}, ""},
		{"overlap may be just below size", split.Options{Size: 2, Overlap: 1}, ""},
		{"size must not be negative", split.Options{Size: -1}, "size: -1 is too small"},
		{"a code point must fit into a chunk of tokens", split.Options{Size: 3, Unit: split.Tokens}, "size: 3 is too small"},
		{"overlap must be below size", split.Options{Size: 10, Overlap: 10}, "overlap: 10 leaves no room in a size of 10"},
		{"overlap must be below the default size", split.Options{Overlap: 1000}, "overlap: 1000 leaves no room in a size of 1000"},
		{"overlap in tokens leaves room for a code point", split.Options{Overlap: 397, Unit: split.Tokens}, "overlap: 397 leaves no room in a size of 400"},
		{"overlap must not be negative", split.Options{Overlap: -1}, "overlap: -1 is negative"},
		{"code needs a language", split.Options{By: split.Code}, "language: missing, splitting by code needs it"},
		{"only code has a language", split.Options{Language: split.Go}, "language: go is not read when splitting by recursive"},
		{"values must be known", split.Options{By: 9, Unit: 9, Language: 99},
			"by: unknown value By(9); unit: unknown value Unit(9); language: unknown value Language(99)"},
		{"all problems are told at once", split.Options{By: split.Code, Size: -5, Overlap: -1},
			"size: -5 is too small; overlap: -1 is negative; language: missing, splitting by code needs it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.options.Validate()
			_, newErr := split.New(c.options)
			if c.want == "" {
				if err != nil || newErr != nil {
					t.Fatalf("got %v and %v, want no error", err, newErr)
				}
				return
			}
			if err == nil || err.Error() != c.want {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			if newErr == nil || newErr.Error() != c.want {
				t.Errorf("New gives %v, want %s", newErr, c.want)
			}
			var all split.OptionErrors
			if !errors.As(err, &all) {
				t.Fatalf("%T is not OptionErrors", err)
			}
			for _, p := range all {
				if p.Field == "" || p.Hint == "" {
					t.Errorf("%+v lacks its field or a hint", p)
				}
			}
		})
	}
}

func TestNamesAreReadAsTheyAreWritten(t *testing.T) {
	for _, name := range split.Bys() {
		if by, err := split.ParseBy(name); err != nil || by.String() != name {
			t.Errorf("%q is read as %v, %v", name, by, err)
		}
	}
	for _, name := range split.Units() {
		if u, err := split.ParseUnit(name); err != nil || u.String() != name {
			t.Errorf("%q is read as %v, %v", name, u, err)
		}
	}
	for _, name := range split.Languages() {
		if l, err := split.ParseLanguage(name); err != nil || l.String() != name {
			t.Errorf("%q is read as %v, %v", name, l, err)
		}
	}
	if l, err := split.ParseLanguage("C++"); err != nil || l != split.CPP {
		t.Errorf("C++ is read as %v, %v", l, err)
	}
}

func TestAnUnknownNameIsAProblemOfItsField(t *testing.T) {
	_, by := split.ParseBy("paragraph")
	_, unit := split.ParseUnit("words")
	_, language := split.ParseLanguage("")
	want := []split.OptionError{
		{Field: "by", Problem: `unknown value "paragraph"`, Hint: "use recursive, markdown, code or sentence"},
		{Field: "unit", Problem: `unknown value "words"`, Hint: "use chars or tokens"},
		{Field: "language", Problem: `unknown value ""`, Hint: "use go, python, javascript, typescript, rust, java, c, cpp, " +
			"csharp, kotlin, scala, swift, php, ruby, shell or sql"},
	}
	for i, err := range []error{by, unit, language} {
		var got split.OptionError
		if !errors.As(err, &got) {
			t.Fatalf("%v is not an OptionError", err)
		}
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Errorf("problem (-want +got):\n%s", diff)
		}
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	if got := splitter(t, split.Options{}).Options().Size; got != 1000 {
		t.Errorf("the default size is %d characters, want 1000", got)
	}
	if got := splitter(t, split.Options{Unit: split.Tokens}).Options().Size; got != 400 {
		t.Errorf("the default size is %d tokens, want 400", got)
	}
}
