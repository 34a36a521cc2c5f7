package flowfile

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
)

// Reference writes what a flow file may say, in Markdown: every key of every kind with its type, default and meaning, as the
// config structs say. Each part is the end of one page: flow-files, sources, operators, sinks, models.
func Reference(r Registry) map[string][]byte {
	return map[string][]byte{
		"flow-files": frame(),
		"sources":    chapter("", nil, sourceKinds(r)),
		"operators":  chapter("Keys of every step", reflect.TypeFor[stepHead](), operatorKinds(r)),
		"sinks":      chapter("Keys of every sink", reflect.TypeFor[sinkHead](), sinkKinds(r)),
		"models":     chapter("Keys of every model", reflect.TypeFor[ModelConfig](), modelKinds(r)),
	}
}

// frame tells what holds for every file, whatever kinds it names.
func frame() []byte {
	var b bytes.Buffer
	writeForms(&b)
	b.WriteString("## The file\n\n")
	writeKeys(&b, reflect.TypeFor[fileHead](), "")
	b.WriteString("## Tests\n\nA list; each entry has these keys.\n\n")
	writeKeys(&b, reflect.TypeFor[testHead](), "")
	return bytes.TrimRight(b.Bytes(), "\n")
}

// writeForms explains how values are written, once for all keys.
func writeForms(b *bytes.Buffer) {
	b.WriteString(`## Values

- A duration is a number and a unit: ` + "`250ms`, `20s`, `1h30m`, `7d`" + `.
- A size is a number of bytes, or a number and a unit: ` + "`4096`, `256MiB`, `1GiB`" + `; kB, MB and GB are powers of 1000.
- A type is one of ` + "`string int float bool decimal bytes timestamp date uuid json`, `enum(a, b)`, `[type]`, `vector(n)`" + `;
  a trailing ` + "`?`" + ` allows null and is quoted inside braces: ` + "`{due: \"date?\"}`" + `.
- An expression is CEL over ` + "`row`" + `.
- ` + "`${NAME}`" + ` in a value is replaced from the environment; ` + "`$${`" + ` stands for a plain ` + "`${`" + `. Its value is never shown.
- Relative paths start at the flow file. Names are up to 40 small letters, digits, - and _, and begin with a letter.
- Anchors and aliases are read; merge keys (` + "`<<`" + `) are not.

`)
}

// chapter tells the keys that all kinds of a sort have beside their own, and then kind by kind.
func chapter(title string, head reflect.Type, kinds map[string]kind) []byte {
	var b bytes.Buffer
	if head != nil {
		fmt.Fprintf(&b, "## %s\n\n", title)
		writeKeys(&b, head, "")
	}
	for _, name := range sortedKeys(kinds) {
		fmt.Fprintf(&b, "## %s\n\n", name)
		if doc := kinds[name].doc; doc != "" {
			b.WriteString(doc + "\n\n")
		}
		config := reflect.TypeOf(kinds[name].new()).Elem()
		switch formOf(config, field{}) {
		case formStruct:
			writeKeys(&b, config, "")
		case formOrdered, formMap:
			b.WriteString("A mapping whose keys are yours.\n\n")
		default:
			fmt.Fprintf(&b, "Its value is %s.\n\n", noun(config, field{}))
		}
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// writeKeys writes a table of the keys of a struct; those of nested structs follow their own, dotted.
func writeKeys(b *bytes.Buffer, t reflect.Type, prefix string) {
	rows := tableRows(t, prefix)
	if len(rows) == 0 {
		return
	}
	b.WriteString("| key | value | default | meaning |\n|---|---|---|---|\n")
	for _, row := range rows {
		b.WriteString(row)
	}
	b.WriteByte('\n')
}

func tableRows(t reflect.Type, prefix string) []string {
	var rows []string
	for _, f := range fieldsOf(t) {
		name := "`" + prefix + f.name + "`"
		switch {
		case f.rest && f.name == "":
			name = "`" + prefix + "*`"
		case (f.scalar || f.list) && f.name == "" && f.doc != "":
			name = "the value itself"
		case f.name == "":
			continue
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s |\n", name, bounded(f), fallbackText(f), cellText(f.doc)))
		if inner, path := within(f); inner != t && formOf(inner, field{}) == formStruct {
			rows = append(rows, tableRows(inner, prefix+path+".")...)
		}
	}
	return rows
}

// within is the type of what a key, a list or a mapping holds, and how its keys are reached; * stands
// for a name of the user's.
func within(f field) (reflect.Type, string) {
	inner, path := f.typ, f.name
	for {
		switch formOf(inner, field{}) {
		case formOptional, formList:
			inner = inner.Elem()
		case formMap:
			inner, path = inner.Elem(), path+".*"
		case formOrdered:
			inner, path = valueField(inner).typ, path+".*"
		default:
			return inner, path
		}
	}
}

// bounded is what a key wants, with its bounds.
func bounded(f field) string {
	text := strings.NewReplacer(" with its unit", "", " in bytes or with its unit", "").Replace(noun(f.typ, f))
	if formOf(f.typ, f) == formOrdered {
		text = "a mapping, in order"
	}
	text = withBounds(text, f)
	if f.secret {
		text += ", secret"
	}
	return cellText(text)
}

func fallbackText(f field) string {
	switch {
	case f.fallback != "":
		return "`" + f.fallback + "`"
	case f.env != "":
		return "`${" + f.env + "}`"
	case f.required:
		return "required"
	}
	return ""
}

func cellText(text string) string { return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(text) }
