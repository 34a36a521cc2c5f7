package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/internal/testenv"
)

// kinds are types with values as SQL writes them; the last row is null everywhere.
func kinds() []struct {
	name   string
	binary bool
	values []string
} {
	return []struct {
		name   string
		binary bool
		values []string
	}{
		{"smallint", true, []string{"-32768", "32767", "0"}},
		{"integer", true, []string{"-2147483648", "2147483647"}},
		{"bigint", true, []string{"-9223372036854775808", "9223372036854775807"}},
		{"oid", true, []string{"0", "4294967295"}},
		{"boolean", true, []string{"t", "f"}},
		{"numeric", true, []string{"NaN", "Infinity", "-Infinity", "1.10", "-0.000", "0.00000000000000000001",
			"123456789012345678901234567890123456789012345.678900", "100000", "0.0001", "10000.0", "1e200", "1e-200", "-9999.9999"}},
		{"numeric(12,4)", true, []string{"1.5", "-99999999.9999", "0"}},
		{"real", true, []string{"NaN", "Infinity", "-Infinity", "-0", "3.4028235e38", "1.1754944e-38", "0.1"}},
		{"double precision", true, []string{"NaN", "Infinity", "-Infinity", "-0", "0.30000000000000004", "5e-324", "1.7976931348623157e308"}},
		{"text", true, []string{"", "Grüße 你好 🎣 é", "tab\there\nline \\ \\n 'q' \"d\"", "\\N", "NULL", " padded "}},
		{"character varying(20)", true, []string{"", "twenty characters ok", "ß"}},
		{"character(6)", true, []string{"ab", "abcdef", ""}},
		{"name", true, []string{"a name", ""}},
		{"bytea", true, []string{"\\x", "\\x00ff5c270a"}},
		{"date", true, []string{"infinity", "-infinity", "0044-03-15 BC", "9999-12-31", "12345-06-07", "2024-02-29", "5874897-12-31", "4713-01-01 BC", "1970-01-01", "1999-12-31"}},
		{"time without time zone", true, []string{"24:00:00", "00:00:00.000001", "23:59:59.999999", "12:30:00", "01:02:03.45"}},
		{"timestamp without time zone", true, []string{"infinity", "-infinity", "0001-01-01 00:00:00 BC", "2024-12-31 23:59:59.999999", "20000-01-01", "1969-12-31 23:59:59.5", "4713-01-01 00:00:00 BC", "290000-01-01"}},
		{"timestamp with time zone", true, []string{"infinity", "2024-06-01 12:00:00.000001+09", "1900-01-01 00:00:00+00", "-infinity", "1500-03-01 00:00:00+00"}},
		{"timestamp(3) without time zone", true, []string{"2024-12-31 23:59:59.123"}},
		{"uuid", true, []string{"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000"}},
		{"json", true, []string{`{"a":  1, "a": 2.0, "b":[ ]}`, "null", `"\u00e9 \" x"`, "[1e2, -0, 12345678901234567890]"}},
		{"jsonb", true, []string{`{"b": 1.10, "a": null}`, "null", `"x"`, "[]", `{"n": 123456789012345678901234567890.5}`}},
		{"mood", true, []string{"sad", `it's "fine"`}},
		{"positive", true, []string{"1", "2147483647"}},
		{"mail", true, []string{"a@b.c", ""}},
		{"time with time zone", false, []string{"12:00:00+05:30", "23:59:59.5-11"}},
		{"interval", false, []string{"1 year 2 mons -3 days +04:05:06.789", "-1 mon +30 days", "0", "-00:00:00.000001", "178000000 years"}},
		{"bit(5)", false, []string{"10101", "00000"}},
		{"bit varying(9)", false, []string{"", "101"}},
		{"money", false, []string{"12.34", "-1000000"}},
		{"inet", false, []string{"10.0.0.1/8", "192.168.1.1", "::1", "2001:db8::1/64"}},
		{"cidr", false, []string{"10.0.0.0/8", "2001:db8::/32"}},
		{"macaddr", false, []string{"08:00:2b:01:02:03"}},
		{"macaddr8", false, []string{"08:00:2b:01:02:03:04:05"}},
		{"int4range", false, []string{"[1,5)", "empty", "(,)", "[7,)"}},
		{"numrange", false, []string{"[1.10,2.20]", "(,0]"}},
		{"tstzrange", false, []string{`["2024-01-01 00:00:00+00","2024-02-01 00:00:00+00")`, "[,infinity]"}},
		{"int8multirange", false, []string{"{[1,3),[5,9)}", "{}"}},
		{"integer[]", false, []string{"{1,NULL,-3}", "{}", "{{1,2},{3,4}}", "[2:3]={7,8}"}},
		{"text[]", false, []string{`{"a,b","c\"d",NULL,"NULL","","\\"," x ","{}"}`, "{ä}"}},
		{"timestamp with time zone[]", false, []string{`{"2024-06-01 12:00:00.5+00",NULL,infinity}`}},
		{"numeric[]", false, []string{"{1.10,NaN,NULL}", "{}"}},
		{"jsonb[]", false, []string{`{"{\"a\": [1, 2]}",NULL,"null"}`}},
		{"bytea[]", false, []string{`{"\\x00ff","\\x"}`}},
		{"mood[]", false, []string{`{sad,NULL}`}},
		{"numbers", false, []string{"{1,2}"}},
		{"pair", false, []string{`(1,"a ""q"" b")`, "(,)"}},
		{"tsvector", false, []string{"'a':1 'b':2"}},
		{"jsonpath", false, []string{`$."a"[*]`}},
		{"xid8", false, []string{"18446744073709551615"}},
		{"point", false, []string{"(1.5,-2)"}},
		{"\"char\"", false, []string{"x"}},
	}
}

// typesOfOurs are the types that a database makes itself.
const typesOfOurs = `CREATE TYPE mood AS ENUM ('sad', 'so so', 'it''s "fine"'); CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE DOMAIN mail AS varchar(30); CREATE DOMAIN numbers AS int[]; CREATE TYPE pair AS (a int, b text);`

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// makeKinds makes a table of the types and gives the statement that inserts its rows from an id on.
func makeKinds(t *testing.T, db *testenv.PostgresDatabase, name string, binaryOnly bool) (insert func(from int) string) {
	var columns []string
	most := 0
	for i, k := range kinds() {
		if k.binary || !binaryOnly {
			columns = append(columns, fmt.Sprintf("c%d %s", i, k.name))
			most = max(most, len(k.values))
		}
	}
	db.Exec(t, "CREATE TABLE "+name+" (id int PRIMARY KEY, "+strings.Join(columns, ", ")+")")
	return func(from int) string {
		var b strings.Builder
		for r := range most + 1 {
			cells := []string{fmt.Sprint(from + r)}
			for _, k := range kinds() {
				switch {
				case !k.binary && binaryOnly:
				case r == most:
					cells = append(cells, "NULL")
				default:
					cells = append(cells, literal(k.values[r%len(k.values)])+"::"+k.name)
				}
			}
			fmt.Fprintf(&b, "INSERT INTO %s VALUES (%s);", name, strings.Join(cells, ", "))
		}
		return b.String()
	}
}

// TestEveryTypeReadsTheSame proves T25: snapshot and stream, in text and in binary form, give the same bytes.
func TestEveryTypeReadsTheSame(t *testing.T) {
	for _, major := range majors(t) {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			db := testenv.Postgres(t, testenv.PostgresOptions{Major: major}).Database(t)
			db.Exec(t, typesOfOurs)
			seen := map[string][][]string{} // by how it was read: rows, each its fields
			var all []string
			for _, k := range kinds() {
				all = append(all, k.name)
			}
			for _, name := range []string{"inbinary", "intext"} {
				insert := makeKinds(t, db, name, name == "inbinary")
				db.Exec(t, insert(0))
				o := options(db, name)
				o.Slot, o.Publication = o.Slot+"_"+name, o.Publication+"_"+name
				s := source(t, o)
				in := cdctest.NewInlet()
				if err := once(t, s, in, nil); err != nil {
					t.Fatal(err)
				}
				db.Exec(t, insert(1000))
				next := in.Crash()
				if err := once(t, s, next, nil); err != nil {
					t.Fatal(err)
				}
				seen["snapshot "+name], seen["stream "+name] = fieldsOf(t, in), fieldsOf(t, next)
			}
			want := seen["snapshot intext"]
			if len(want) < 10 {
				t.Fatalf("%d rows", len(want))
			}
			for how, rows := range seen {
				for i, row := range rows {
					for c, value := range row {
						if value != want[i%len(want)][c] {
							t.Errorf("%s, row %d, %s: %q, and %q by another way", how, i, all[max(c-1, 0)], value, want[i][c])
						}
					}
				}
				if len(rows) != len(want) {
					t.Errorf("%s: %d rows, want %d", how, len(rows), len(want))
				}
			}
			texts(t, db, want)
		})
	}
}

// fieldsOf are the fields of the rows that were put, by id; the binary types come first in both tables.
func fieldsOf(t *testing.T, in *cdctest.Inlet) [][]string {
	t.Helper()
	puts := in.Puts()
	slices.SortFunc(puts, func(a, b cdctest.Put) int { return strings.Compare(string(a.Key), string(b.Key)) })
	var rows [][]string
	for _, p := range puts {
		if p.Op == cdc.Reject {
			t.Errorf("row %s is rejected: %s", p.Key.Text(), p.Cause.Message)
			continue
		}
		var fields []string
		for i := 1; i < p.After.Len(); i++ {
			v := p.After.At(i)
			fields = append(fields, fmt.Sprintf("%d:%s", v.State, v.Raw))
		}
		rows = append(rows, append([]string{""}, fields...))
	}
	return rows
}

// texts holds what is kept as text against what the server writes.
func texts(t *testing.T, db *testenv.PostgresDatabase, rows [][]string) {
	t.Helper()
	for i, k := range kinds() {
		switch k.name {
		case "numeric", "numeric(12,4)", "json", "jsonb", "mood", "mail", "time without time zone":
		default:
			if k.binary {
				continue
			}
		}
		var got []string
		for _, row := range rows[:len(rows)-1] {
			got = append(got, strings.TrimPrefix(row[i+1], "0:"))
		}
		var want []string
		for _, row := range db.Rows(t, fmt.Sprintf("SET timezone = 'UTC'; SELECT format('%%s', c%d) FROM intext WHERE id < 1000 ORDER BY id", i)) {
			want = append(want, row[0])
		}
		if diff := cmp.Diff(want[:len(want)-1], got); diff != "" {
			t.Errorf("%s (-server +read):\n%s", k.name, diff)
		}
	}
}
