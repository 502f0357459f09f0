package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxText is the longest text that is read, in bytes.
const maxText = 64 << 10

// Table is a family of kinds.
type Table struct {
	// Family is what one of the kinds is called, such as "sink".
	Family string
	// Forms are the kinds, in the order in which they are shown.
	Forms []Form
	// Common are the parameters that each of them has beside its own.
	Common []Param
	// Bare is the scheme of texts that begin with no known one. Empty: there are none.
	Bare string
}

// Validate reports what is wrong with the table. It is for tests.
func (t *Table) Validate() error {
	var errs []error
	seen := map[string]bool{}
	for i := range t.Forms {
		f := t.form(i)
		if errs = append(errs, f.Validate()); seen[f.Scheme] {
			errs = append(errs, fmt.Errorf("there are two kinds %q", f.Scheme))
		}
		seen[f.Scheme] = true
	}
	if t.Bare != "" && !seen[t.Bare] {
		errs = append(errs, fmt.Errorf("the scheme of texts without one, %q, is none of the kinds", t.Bare))
	}
	return errors.Join(errs...)
}

// form returns a copy of a kind's form, with the parameters that all have.
func (t *Table) form(i int) *Form {
	f := t.Forms[i]
	f.Params = slices.Concat(f.Params, t.Common)
	return &f
}

func (t *Table) schemes() []string {
	all := make([]string, len(t.Forms))
	for i := range t.Forms {
		all[i] = t.Forms[i].Scheme
	}
	return all
}

// Usages lists how each kind is written, for messages: "write stdout: or file:PATH".
func (t *Table) Usages() string {
	all := make([]string, len(t.Forms))
	for i := range t.Forms {
		all[i] = t.Forms[i].Usage
	}
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
}

// Parse reads a text and returns which of the forms it has and what it says. The
// error joins every mistake, each preceded by as much of the text as holds no
// credential. If the index is not negative in spite of an error, only parameters are
// wrong: the value has their defaults, and can be searched for more mistakes.
func (t *Table) Parse(text string) (int, *Value, error) {
	switch {
	case len(text) > maxText:
		return -1, nil, fmt.Errorf("a text of %d bytes is too long; the longest is of %d", len(text), maxText)
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return -1, nil, errors.New("the text is not UTF-8, or holds a zero byte")
	}
	scheme, rest, colon := strings.Cut(text, ":")
	i := -1
	if colon {
		i = slices.Index(t.schemes(), scheme)
	}
	if i < 0 {
		if !t.isBare(scheme, rest, colon) {
			return -1, nil, t.unknown(text, scheme, colon)
		}
		i, scheme, rest = slices.Index(t.schemes(), t.Bare), t.Bare, text
	}
	v := &Value{Text: text, Scheme: scheme, form: t.form(i)}
	errs, sound := v.read(rest)
	if !sound {
		return -1, nil, v.Explain(errs...)
	}
	return i, v, v.Explain(errs...)
}

// isBare reports whether a text begins with no scheme, rather than with one that
// is unknown.
func (t *Table) isBare(scheme, rest string, colon bool) bool {
	if t.Bare == "" {
		return false
	}
	if !colon || !schemeSyntax.MatchString(scheme) {
		return true
	}
	// A path may begin like a scheme. Only a long one with one wrong letter is surely meant.
	mistyped := func(known string) bool { return len(known) >= 5 && distance(letters(scheme), letters(known)) <= 1 }
	return !strings.HasPrefix(rest, "//") && !slices.ContainsFunc(t.schemes(), mistyped)
}

// unknown explains a text that begins with the scheme of no kind.
func (t *Table) unknown(text, scheme string, colon bool) error {
	switch {
	case text == "":
		return fmt.Errorf("the text is empty; write %s", t.Usages())
	case colon && schemeSyntax.MatchString(scheme):
		return fmt.Errorf("%s: no %s is called %q%s; write %s", quote(scheme+":..."), t.Family, scheme, didYouMean(Nearest(scheme, t.schemes())), t.Usages())
	case colon || strings.Contains(text, "@"): // whatever it is, it may hold a password
		return fmt.Errorf("the text does not begin with the scheme of a %s; write %s", t.Family, t.Usages())
	}
	return fmt.Errorf("%s has no scheme%s; write %s", quote(text), didYouMean(Nearest(text, t.schemes())), t.Usages())
}

// Explain puts as much of the text as holds no credential before each of the
// errors, and before each that one of them joins. It returns nil if all are nil.
func (v *Value) Explain(errs ...error) error {
	var all []error
	for _, err := range errs {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			all = append(all, v.Explain(joined.Unwrap()...))
		} else if err != nil {
			all = append(all, fmt.Errorf("%s: %w", quote(v.Shown()), err))
		}
	}
	return errors.Join(all...)
}

// Shown returns as much of the text as certainly holds no credential: of a URL the
// schemes and the hosts.
func (v *Value) Shown() string {
	switch {
	case len(v.Hosts) > 0:
		before, _, _ := strings.Cut(v.Rest, "//") // http: or https:, if anything
		return v.Scheme + ":" + before + "//" + strings.Join(v.Hosts, ",")
	case v.form.Rest.isURL() || strings.HasPrefix(v.Rest, "//") || holdsPassword(v.Rest):
		return v.Scheme + ":..."
	case v.Text != v.Rest:
		return v.Scheme + ":" + v.Rest
	}
	return v.Rest
}

// holdsPassword reports whether a text looks like USER:PASSWORD@HOST.
func holdsPassword(s string) bool {
	before, _, at := strings.Cut(s, "@")
	return at && strings.Contains(before, ":")
}

// quote quotes a text for a message, and cuts it off where it is long.
func quote(s string) string {
	const most = 120 // bytes
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	cut := most
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%q...", s[:cut])
}
