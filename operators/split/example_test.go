package split_test

import (
	"fmt"

	"github.com/freshet/freshet/operators/split"
)

func ExampleSplitter_Split() {
	s, err := split.New(split.Options{By: split.Markdown, Size: 60})
	if err != nil {
		fmt.Println(err)
		return
	}
	text := "# Guide\n\n## Install\n\nDownload it and put it into a folder.\n\n## Use\n\nRun it. It says what it does."
	s.Split(text, func(c split.Chunk) bool {
		fmt.Printf("%d-%d %s: %q\n", c.Start, c.End, c.Heading, c.Text)
		return true
	})
	// Output:
	// 0-58 Guide > Install: "# Guide\n\n## Install\n\nDownload it and put it into a folder."
	// 60-97 Guide > Use: "## Use\n\nRun it. It says what it does."
}

func ExampleOptions_Validate() {
	err := split.Options{By: split.Code, Size: 100, Overlap: 100}.Validate()
	if problems, ok := err.(split.OptionErrors); ok {
		for _, p := range problems {
			fmt.Printf("%s: %s\n  hint: %s\n", p.Field, p.Problem, p.Hint)
		}
	}
	// Output:
	// overlap: 100 leaves no room in a size of 100
	//   hint: use 99 or less; a tenth of size is usual
	// language: missing, splitting by code needs it
	//   hint: use go, python, javascript, typescript, rust, java, c, cpp, csharp, kotlin, scala, swift, php, ruby, shell or sql
}
