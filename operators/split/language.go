package split

import (
	"fmt"
	"slices"
	"strings"
)

// Language is a programming language that Code can split. The zero value is none.
type Language int

// The languages that Code can split.
const (
	Go Language = iota + 1
	Python
	JavaScript
	TypeScript
	Rust
	Java
	C
	CPP
	CSharp
	Kotlin
	Scala
	Swift
	PHP
	Ruby
	Shell
	SQL
)

// grammar is what the lexer needs to know of a language to tell its code from its comments and strings, and its
// blocks from what they contain.
type grammar struct {
	names    []string // the name, then others that ParseLanguage reads
	comments []string // openers of comments that end with the line
	blocks   []block
	quotes   []quote
	features feature
	binders  string   // first bytes of lines that belong to the line after them: decorators, attributes
	tails    []string // first words of lines that belong to the block before them
}

// block is a pair of marks around a comment.
type block struct {
	open, close string
	nested      bool
}

// quote is a kind of string literal.
type quote struct {
	open, close string
	escapes     bool // a backslash hides what follows it
	multiline   bool // otherwise the end of the line ends it too
}

// feature is a set of habits that few languages share.
type feature uint8

const (
	indented   feature = 1 << iota // blocks are told by their indent
	lifetimes                      // 'a without a closing quote, and raw strings r#"…"#
	delimiters                     // raw strings R"x(…)x"
	templates                      // `…${…}…`
	regexes                        // /…/
	terminated                     // a statement ends with a semicolon
)

var (
	slashComments = []string{"//"}
	starBlocks    = []block{{open: "/*", close: "*/"}}
	nestedBlocks  = []block{{open: "/*", close: "*/", nested: true}}
	cQuotes       = []quote{{`"`, `"`, true, false}, {"'", "'", true, false}}
	tripleQuotes  = []quote{{`"""`, `"""`, true, true}, {`"`, `"`, true, false}, {"'", "'", true, false}}
	scriptQuotes  = []quote{{`"`, `"`, true, true}, {"'", "'", true, true}}
	cTails        = []string{"else", "catch", "finally", "while"}
)

// grammars are the languages; none has no names.
var grammars = [...]grammar{
	Go: {names: []string{"go", "golang"}, comments: slashComments, blocks: starBlocks,
		quotes: []quote{{"`", "`", false, true}, {`"`, `"`, true, false}, {"'", "'", true, false}}},
	Python: {names: []string{"python", "py"}, comments: []string{"#"}, features: indented, binders: "@",
		quotes: []quote{{`"""`, `"""`, true, true}, {"'''", "'''", true, true}, {`"`, `"`, true, false}, {"'", "'", true, false}},
		tails:  []string{"else", "elif", "except", "finally"}},
	JavaScript: {names: []string{"javascript", "js", "jsx"}, comments: slashComments, blocks: starBlocks, quotes: cQuotes,
		features: templates | regexes, binders: "@", tails: cTails},
	TypeScript: {names: []string{"typescript", "ts", "tsx"}, comments: slashComments, blocks: starBlocks, quotes: cQuotes,
		features: templates | regexes, binders: "@", tails: cTails},
	Rust: {names: []string{"rust", "rs"}, comments: slashComments, blocks: nestedBlocks,
		quotes: []quote{{`"`, `"`, true, true}}, features: lifetimes | terminated, binders: "#", tails: []string{"else"}},
	Java: {names: []string{"java"}, comments: slashComments, blocks: starBlocks, quotes: tripleQuotes,
		features: terminated, binders: "@", tails: cTails},
	C: {names: []string{"c", "h"}, comments: slashComments, blocks: starBlocks, quotes: cQuotes,
		features: terminated, tails: cTails},
	CPP: {names: []string{"cpp", "c++", "cc", "hpp"}, comments: slashComments, blocks: starBlocks, quotes: cQuotes,
		features: delimiters | terminated, tails: cTails},
	CSharp: {names: []string{"csharp", "c#", "cs"}, comments: slashComments, blocks: starBlocks,
		quotes:   []quote{{`"""`, `"""`, false, true}, {`@"`, `"`, false, true}, {`"`, `"`, true, false}, {"'", "'", true, false}},
		features: terminated, tails: cTails},
	Kotlin: {names: []string{"kotlin", "kt"}, comments: slashComments, blocks: nestedBlocks, binders: "@", tails: cTails,
		quotes: []quote{{`"""`, `"""`, false, true}, {`"`, `"`, true, false}, {"'", "'", true, false}}},
	Scala: {names: []string{"scala"}, comments: slashComments, blocks: nestedBlocks, binders: "@", tails: cTails,
		quotes: []quote{{`"""`, `"""`, false, true}, {`"`, `"`, true, false}}},
	Swift: {names: []string{"swift"}, comments: slashComments, blocks: nestedBlocks, binders: "@", tails: cTails,
		quotes: []quote{{`"""`, `"""`, true, true}, {`"`, `"`, true, false}}},
	PHP: {names: []string{"php"}, comments: []string{"//", "#"}, blocks: starBlocks, quotes: scriptQuotes,
		features: terminated, tails: cTails},
	Ruby: {names: []string{"ruby", "rb"}, comments: []string{"#"}, blocks: []block{{open: "=begin", close: "=end"}},
		quotes: scriptQuotes, features: indented, tails: []string{"else", "elsif", "when", "rescue", "ensure", "end"}},
	Shell: {names: []string{"shell", "sh", "bash"}, comments: []string{"#"}, quotes: []quote{{`"`, `"`, true, true}, {"'", "'", false, true}},
		features: indented, tails: []string{"else", "elif", "fi", "done", "esac", "}"}},
	SQL: {names: []string{"sql"}, comments: []string{"--"}, blocks: starBlocks,
		quotes: []quote{{"'", "'", false, true}, {`"`, `"`, false, true}, {"$$", "$$", false, true}}},
}

// String returns the name that ParseLanguage reads, or "none".
func (l Language) String() string {
	switch {
	case l == 0:
		return "none"
	case l > 0 && int(l) < len(grammars):
		return grammars[l].names[0]
	}
	return fmt.Sprintf("Language(%d)", int(l))
}

// grammar returns the grammar of a language that is not none.
func (l Language) grammar() *grammar { return &grammars[l] }

// Languages returns the names of all languages, one each, in a fixed order.
func Languages() []string {
	names := make([]string, 0, len(grammars)-1)
	for _, g := range grammars[1:] {
		names = append(names, g.names[0])
	}
	return names
}

// ParseLanguage reads the name of a language, or the usual short form of it ("js", "c++"), in any case. The error is an
// OptionError for the field "language".
func ParseLanguage(name string) (Language, error) {
	for i := range grammars {
		if slices.Contains(grammars[i].names, strings.ToLower(name)) {
			return Language(i), nil
		}
	}
	return 0, OptionError{"language", fmt.Sprintf("unknown value %q", name), "use " + oneOf(Languages())}
}
