package postgres

import (
	"fmt"
	"math"
	"strings"

	"github.com/freshet/freshet/cdc"
)

// Postgres counts from 2000-01-01, rows from 1970-01-01. The extremes are the infinities on both sides.
const (
	epochDays   = 10_957
	dayMicros   = 86_400_000_000
	epochMicros = epochDays * dayMicros
)

// addDate adds a date of Postgres's count.
func (r *reader) addDate(b *cdc.RowBuilder, days int32) error {
	if days != math.MaxInt32 && days != math.MinInt32 {
		days += epochDays // the greatest date of Postgres, in the year 5874897, is far from the end of the type
	}
	b.Days(days)
	return nil
}

// addStamp adds a timestamp of Postgres's count. The last thirty years that Postgres knows, behind the
// year 294246, do not fit into a row.
func (r *reader) addStamp(b *cdc.RowBuilder, micros int64) error {
	if micros != math.MaxInt64 && micros != math.MinInt64 {
		if micros > math.MaxInt64-1-epochMicros {
			return fmt.Errorf("%w: a timestamp behind the year 294246", errValue)
		}
		micros += epochMicros
	}
	b.Int64(micros)
	return nil
}

// addTime adds a time of day as Postgres writes it: 24:00:00, 00:00:00.000001.
func (r *reader) addTime(b *cdc.RowBuilder, micros int64) error {
	if micros < 0 || micros > dayMicros {
		return fmt.Errorf("%w: a time of %d µs", errValue, micros)
	}
	s, fraction := micros/1_000_000, micros%1_000_000
	t := append2(append(append2(append(append2(r.scratch[:0], s/3600), ':'), s/60%60), ':'), s%60)
	if fraction > 0 {
		t = append(t, '.')
		for place := int64(100_000); fraction > 0; place /= 10 {
			t = append(t, byte('0'+fraction/place))
			fraction %= place
		}
	}
	r.scratch = t
	b.Bytes(t)
	return nil
}

func append2(dst []byte, n int64) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// parseDate reads 2024-02-29, 12345-06-07, 0044-03-15 BC, infinity, into Postgres's count.
func parseDate(text string) (int32, error) {
	switch text {
	case "infinity":
		return math.MaxInt32, nil
	case "-infinity":
		return math.MinInt32, nil
	}
	plain, bc := strings.CutSuffix(text, " BC")
	days, rest, ok := cutDate(plain, bc)
	if !ok || rest != "" || days < math.MinInt32/2 || days >= math.MaxInt32-epochDays {
		return 0, fmt.Errorf("%w: %.40q is no date", errValue, text)
	}
	return int32(days), nil
}

// parseStamp reads 2024-12-31 23:59:59.999999, with +00 behind it or not, into Postgres's count.
func parseStamp(text string) (int64, error) {
	switch text {
	case "infinity":
		return math.MaxInt64, nil
	case "-infinity":
		return math.MinInt64, nil
	}
	bad := func() (int64, error) { return 0, fmt.Errorf("%w: %.40q is no timestamp", errValue, text) }
	plain, bc := strings.CutSuffix(text, " BC")
	days, rest, ok := cutDate(plain, bc)
	if !ok || len(rest) < 9 || rest[0] != ' ' {
		return bad()
	}
	micros, rest, ok := cutClock(rest[1:])
	if !ok {
		return bad()
	}
	offset, ok := parseOffset(rest)
	if !ok || days > 107_000_000 || days < -2_500_000 {
		return bad()
	}
	day, clock := days*dayMicros, micros-offset
	if day > 0 && clock > math.MaxInt64-1-day {
		return bad()
	}
	return day + clock, nil
}

// cutDate reads year, month and day; days count from 2000-01-01.
func cutDate(text string, bc bool) (days int64, rest string, ok bool) {
	year, text, ok1 := cutNumber(text, 4, 7)
	text, ok2 := strings.CutPrefix(text, "-")
	month, text, ok3 := cutNumber(text, 2, 2)
	text, ok4 := strings.CutPrefix(text, "-")
	day, text, ok5 := cutNumber(text, 2, 2)
	if !(ok1 && ok2 && ok3 && ok4 && ok5) || month < 1 || month > 12 || day < 1 || day > 31 {
		return 0, "", false
	}
	if bc {
		year = 1 - year
	}
	return civil(year, month, day), text, true
}

// civil counts the days from 2000-01-01 to a date of the Gregorian calendar, also before it began. Years
// begin in March here, so that the leap day is their last.
func civil(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	if year < 0 {
		era = (year - 399) / 400
	}
	yoe := year - era*400
	doy := (153*(month-3)+2)/5 + day - 1
	return era*146_097 + yoe*365 + yoe/4 - yoe/100 + doy - 730_425
}

// cutClock reads 23:59:59.999999 as microseconds.
func cutClock(text string) (micros int64, rest string, ok bool) {
	hour, text, ok1 := cutNumber(text, 2, 2)
	text, ok2 := strings.CutPrefix(text, ":")
	minute, text, ok3 := cutNumber(text, 2, 2)
	text, ok4 := strings.CutPrefix(text, ":")
	second, text, ok5 := cutNumber(text, 2, 2)
	if !(ok1 && ok2 && ok3 && ok4 && ok5) {
		return 0, "", false
	}
	micros = ((hour*60+minute)*60 + second) * 1_000_000
	fraction, behind := strings.CutPrefix(text, ".")
	if !behind {
		return micros, text, true
	}
	scale := int64(1_000_000)
	for len(fraction) > 0 && fraction[0] >= '0' && fraction[0] <= '9' && scale > 1 {
		scale /= 10
		micros += int64(fraction[0]-'0') * scale
		fraction = fraction[1:]
	}
	return micros, fraction, true
}

// parseOffset reads what may stand behind a clock: nothing, +00, -03:30, +05:30:12; in microseconds.
func parseOffset(text string) (micros int64, ok bool) {
	if text == "" {
		return 0, true
	}
	sign := int64(1)
	if text[0] == '-' {
		sign = -1
	} else if text[0] != '+' {
		return 0, false
	}
	total, unit := int64(0), int64(3600)
	for text = text[1:]; ; text = text[1:] {
		n, rest, ok := cutNumber(text, 2, 2)
		if !ok || unit == 0 {
			return 0, false
		}
		total += n * unit
		if unit, text = unit/60, rest; text == "" {
			return sign * total * 1_000_000, true
		}
		if text[0] != ':' {
			return 0, false
		}
	}
}

// cutNumber reads so many digits.
func cutNumber(text string, least, most int) (n int64, rest string, ok bool) {
	i := 0
	for i < len(text) && i < most && text[i] >= '0' && text[i] <= '9' {
		n = n*10 + int64(text[i]-'0')
		i++
	}
	return n, text[i:], i >= least
}
