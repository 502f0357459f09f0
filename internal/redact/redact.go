package redact

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	// Redacted is what stands where a credential was.
	Redacted = "[redacted]"

	// shortest is the least length, in bytes, of what is looked for: what is
	// shorter would only garble texts.
	shortest = 4
	// mostNoted is how many credentials are remembered that were noted: with
	// rotation there are two at a time.
	mostNoted = 4
)

// Redactor removes credentials from texts: those that it was made with, the last few
// that it was told of, and what looks like one. They are found in upper and lower
// case, and in base64 and as part of a URL too.
type Redactor struct {
	known []string

	mu    sync.Mutex
	noted []string
}

// New returns a redactor of those secrets. One of less than four bytes is ignored.
func New(secrets ...string) *Redactor {
	return &Redactor{known: slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return len(s) < shortest })}
}

// Note remembers a secret that was sent somewhere, in case it comes back.
func (r *Redactor) Note(secret string) {
	if len(secret) < shortest {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Contains(r.noted, secret) {
		return
	}
	if len(r.noted) == mostNoted {
		r.noted = slices.Delete(r.noted, 0, 1)
	}
	r.noted = append(r.noted, strings.Clone(secret))
}

// Text returns the message of err on one line, without credentials, of at most
// Longest bytes; of nil an empty one.
func (r *Redactor) Text(err error) string {
	if err == nil {
		return ""
	}
	return Line(r.Clean(err.Error()), Longest)
}

// Error returns an error that wraps err and whose message is Text of it; nil of nil.
func (r *Redactor) Error(err error) error {
	if err == nil {
		return nil
	}
	return &clean{r.Text(err), err}
}

type clean struct {
	text string
	err  error
}

func (c *clean) Error() string { return c.text }
func (c *clean) Unwrap() error { return c.err }

// Output returns a line of another program fit to be shown, as Text does. In it
// what is assigned to a secret's name is one, too.
func (r *Redactor) Output(line string) string {
	return Line(r.CleanAll(line), Longest)
}

// CleanAll returns s without credentials, and without what is assigned to a secret's name
// in it, whichever language that is said in: in JSON and YAML with all that is in it, over as
// many lines as it has.
func (r *Redactor) CleanAll(s string) string {
	return r.cleanText(r.Clean(s))
}

// Clean returns s without credentials.
func (r *Redactor) Clean(s string) string {
	r.mu.Lock()
	secrets := slices.Concat(r.known, r.noted)
	r.mu.Unlock()
	// The longest first: one may be part of another.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, secret := range slices.Compact(secrets) {
		for _, form := range forms(secret) {
			s = replaceFold(s, form)
		}
	}
	return cleanLooks(s)
}

// forms returns what a secret looks like in texts: as it is, and in a URL, JSON, Go and base64.
func forms(secret string) []string {
	encoded, _ := json.Marshal(secret) // a string has an encoding
	quoted := strconv.Quote(secret)
	all := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), string(encoded[1 : len(encoded)-1]), quoted[1 : len(quoted)-1]}
	slices.Sort(all)
	return append(slices.Compact(all), base64Of(secret)...)
}

// replaceFold replaces what in s, in whatever case its letters are. Only those of
// ASCII are told apart: others are not in credentials.
func replaceFold(s, what string) string {
	low, want := lower(s), lower(what)
	at := strings.Index(low, want)
	if at < 0 {
		return s
	}
	var out strings.Builder
	for at >= 0 {
		out.WriteString(s[:at])
		out.WriteString(Redacted)
		s, low = s[at+len(want):], low[at+len(want):]
		at = strings.Index(low, want)
	}
	out.WriteString(s)
	return out.String()
}

// lower is strings.ToLower that leaves every byte where it is.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// base64Of returns what base64 makes of a secret wherever in a text it stands: the
// characters that depend on nothing else, for each place that its first byte may
// have in a group of three.
func base64Of(secret string) (all []string) {
	const shortest = 8
	for before := range 3 {
		padded := []byte(strings.Repeat("\x00", before) + secret)
		from, to := (before*8+5)/6, len(padded)*8/6
		if to-from < shortest {
			continue
		}
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			all = append(all, encoding.EncodeToString(padded)[from:to])
		}
	}
	return slices.Compact(all)
}
