package page

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// mostText is how many bytes of a text of others a page shows.
const mostText = 500

// visible returns text of others on one line, of at most so many bytes and some. What
// cannot be seen, or turns the direction of what follows, stands as an escape.
func visible(s string, most int) string {
	plain := true
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			plain = false
			break
		}
	}
	if plain && len(s) <= most {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		if b.Len() >= most {
			b.WriteString("…")
			break
		}
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r == '\n' || r == '\t' || r == '\r':
			b.WriteByte(' ')
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String()
}

// text is visible for anything that is a string, for templates.
func text(v any) string { return visible(fmt.Sprint(v), mostText) }

// short is text for names in tables.
func short(v any) string { return visible(fmt.Sprint(v), 100) }

// quoted is an argument of a command in a shell.
func quoted(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+,=") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// arguments are positional arguments of a command in a shell, none of which is taken for a
// flag.
func arguments(all ...string) string {
	var b strings.Builder
	for _, a := range all {
		if strings.HasPrefix(a, "-") {
			b.WriteString(" --")
			break
		}
	}
	for _, a := range all {
		b.WriteString(" " + quoted(visible(a, mostText)))
	}
	return b.String()
}

// things says how many there are of what, which is in the plural.
func things(n int, what string) string {
	if n == 1 {
		first, rest, _ := strings.Cut(what, " of ")
		what = strings.TrimSuffix(first, "s")
		if rest != "" {
			what += " of " + rest
		}
	}
	return count(n) + " " + what
}

// seconds is a length of time in one or two units: 0.35 s, 12 s, 3 min 20 s, 2 d 4 h.
func seconds(s float64) string {
	switch {
	case s < 0 || math.IsNaN(s):
		return "–"
	case s == 0:
		return "0 s"
	case s < 0.001:
		return "below 1 ms"
	case s < 1:
		return strconv.FormatFloat(s*1000, 'f', 0, 64) + " ms"
	case s < 10:
		return strings.TrimSuffix(strconv.FormatFloat(s, 'f', 1, 64), ".0") + " s"
	}
	whole := int64(min(s, 1e9) + .5)
	for _, u := range []struct {
		large, small string
		of, in       int64
	}{{"d", "h", 24 * 3600, 3600}, {"h", "min", 3600, 60}, {"min", "s", 60, 1}} {
		if whole >= u.of {
			t := fmt.Sprintf("%d %s", whole/u.of, u.large)
			if rest := whole % u.of / u.in; rest > 0 {
				t += fmt.Sprintf(" %d %s", rest, u.small)
			}
			return t
		}
	}
	return fmt.Sprintf("%d s", whole)
}

// age is how long ago t was.
func age(at, t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return seconds(max(at.Sub(t), 0).Round(time.Second).Seconds())
}

// due says when t comes.
func due(at, t time.Time) string {
	if t.Sub(at) < time.Second {
		return "now"
	}
	return "in " + age(t, at)
}

// count is a number with spaces between thousands.
func count(v any) string {
	s := fmt.Sprint(reflect.Indirect(reflect.ValueOf(v)))
	digits := strings.TrimPrefix(s, "-")
	if strings.Trim(digits, "0123456789") != "" || len(digits) < 5 {
		return s
	}
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(s, digits))
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteRune('\u202f')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// size is a number of bytes.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// perSecond is a rate.
func perSecond(r float64) string {
	switch {
	case r < 0:
		return "–"
	case r == 0:
		return "0"
	case r < 10:
		return strings.TrimSuffix(strconv.FormatFloat(r, 'f', 1, 64), ".0")
	}
	return count(int64(r + .5))
}
