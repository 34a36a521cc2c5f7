package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// searchData is what the search screen shows.
type searchData struct {
	Question
	Sinks []string // to choose from
	Asked bool
	Took  string
	From  string // the sink that answered
	Hits  []found
}

// found is a row that was found, as people read it.
type found struct {
	Score   string
	Key     string
	Subject string // of its lineage
	Text    []mark // what it says, where it says more than a word or two
	Name    string // of the column of Text
	Columns []column
}

// column is a named value of a row.
type column struct {
	Name, Value string
	text        bool // it is a string, and not other JSON
}

// mark is a part of a text; words of the question are hit.
type mark struct {
	Text string
	Hit  bool
}

// Choices of how many rows are shown.
var rowChoices = [...]int{5, 10, 20, 50}

// Choices lists how many rows can be asked for.
func (searchData) Choices() []int { return rowChoices[:] }

// search asks what a person asks. It is posted: it costs a call of the model, and other origins cannot post.
func (c *Console) search(w http.ResponseWriter, r *http.Request) {
	c.look()
	d := searchData{Question: Question{K: 10}, Sinks: names(c.watch.Newest().Status.Sinks)}
	v := c.view(r, "search", "Search", nil)
	status := http.StatusOK
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, formMax)
		if err := c.ask(r, &d); err != nil {
			fault := c.o.Explain(err)
			v.Fault, status = &fault, fault.Status
		}
	}
	v.Data = d
	c.show(w, status, v)
}

// ask reads the question of a form and finds the rows that answer it.
func (c *Console) ask(r *http.Request, d *searchData) error {
	d.Question = Question{Text: strings.TrimSpace(r.PostFormValue("text")), Where: strings.TrimSpace(r.PostFormValue("where")), Sink: r.PostFormValue("sink")}
	k, err := strconv.Atoi(r.PostFormValue("k"))
	if d.K = k; err != nil {
		d.K = 10
	}
	began := time.Now()
	answer, err := c.flow.Search.Find(r.Context(), d.Question)
	if err != nil {
		return err
	}
	d.Asked, d.From, d.Took = true, answer.Sink, span(float64(time.Since(began).Microseconds())/1000)
	for _, h := range answer.Hits {
		f, err := d.read(answer.Sink, h)
		if err != nil {
			return err
		}
		d.Hits = append(d.Hits, f)
	}
	return nil
}

// Bounds of what is shown of the text of a row: from textMin on it stands by itself, in bytes, and up to textMax characters of it.
const (
	textMin = 40
	textMax = 600
)

// read takes a row apart: its key, what it says, and the other columns in their order.
func (d *searchData) read(sink string, h Hit) (found, error) {
	columns, err := columnsOf(h.Row)
	if err != nil {
		return found{}, err
	}
	f := found{Score: strconv.FormatFloat(float64(h.Score), 'f', 3, 32)}
	if h.Collection != "" {
		f.Columns = append(f.Columns, column{Name: "collection", Value: h.Collection})
	}
	says := telling(columns)
	for i, col := range columns {
		switch {
		case col.Name == keyColumn:
			f.Key, f.Subject = col.Value, sink+"/"+col.Value
		case i == says && len(col.Value) > textMin:
			f.Name, f.Text = col.Name, marked(shortened(col.Value, textMax), d.Text)
		case !strings.HasPrefix(col.Name, "_"):
			f.Columns = append(f.Columns, column{Name: col.Name, Value: shortened(col.Value, textMax/4)})
		}
	}
	return f, nil
}

// Columns of a row that are known by their names: its key in the sink, and what a split has made of a text.
const (
	keyColumn   = "_key"
	chunkColumn = "chunk"
)

// telling is the column that holds what a row says: its chunk, where it is one of a text, else its longest text; -1: it has none.
func telling(columns []column) int {
	found := -1
	for i, c := range columns {
		switch {
		case !c.text || c.Value == "" || c.Name == keyColumn:
		case c.Name == chunkColumn:
			return i
		case found < 0 || len(c.Value) > len(columns[found].Value):
			found = i
		}
	}
	return found
}

// Brief is the key of a row that was found, and what the row says, on one line of so many characters.
func Brief(row json.RawMessage, size int) (key, text string, err error) {
	columns, err := columnsOf(row)
	if err != nil {
		return "", "", err
	}
	for _, c := range columns {
		if c.Name == keyColumn {
			key = c.Value
		}
	}
	if says := telling(columns); says >= 0 {
		text = shortened(columns[says].Value, size)
	}
	return key, text, nil
}

// columnsOf reads an object in the order of its members. Strings are shown as they are, other values as JSON.
func columnsOf(row json.RawMessage) ([]column, error) {
	d := json.NewDecoder(bytes.NewReader(row))
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("read row: %w", err)
	}
	var all []column
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("read row: %w", err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("read row: %w", err)
		}
		text, isText := string(value), len(value) > 0 && value[0] == '"'
		if isText {
			if err := json.Unmarshal(value, &text); err != nil {
				return nil, fmt.Errorf("read row: %w", err)
			}
		}
		all = append(all, column{Name: fmt.Sprint(name), Value: text, text: isText})
	}
	return all, nil
}

// shortened puts a text on one line of so many characters.
func shortened(text string, size int) string {
	line := []rune(strings.Join(strings.Fields(text), " "))
	if len(line) > size {
		line = append(line[:size-1], '…')
	}
	return string(line)
}

// wordMin is how long a word of a question is at least that is marked where it is found.
const wordMin = 3

// marked cuts a text where words begin as the words of a question do.
func marked(text, question string) []mark {
	wanted := map[string]bool{}
	for _, word := range strings.FieldsFunc(strings.ToLower(question), notOfWord) {
		if len(word) >= wordMin {
			wanted[word] = true
		}
	}
	var marks []mark
	from := 0
	for from < len(text) {
		size := strings.IndexFunc(text[from:], notOfWord)
		hit := false
		if size == 0 {
			if size = strings.IndexFunc(text[from:], ofWord); size < 0 {
				size = len(text) - from
			}
		} else {
			if size < 0 {
				size = len(text) - from
			}
			hit = wanted[strings.ToLower(text[from:from+size])]
		}
		if n := len(marks); n > 0 && marks[n-1].Hit == hit {
			marks[n-1].Text += text[from : from+size]
		} else {
			marks = append(marks, mark{text[from : from+size], hit})
		}
		from += size
	}
	return marks
}

func ofWord(r rune) bool    { return unicode.IsLetter(r) || unicode.IsDigit(r) }
func notOfWord(r rune) bool { return !ofWord(r) }
