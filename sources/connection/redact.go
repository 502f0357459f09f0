package connection

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"

	"k8s.io/client-go/rest"
)

const (
	redacted = "[redacted]"
	// shortestSecret is the least length, in bytes, of what is looked for:
	// what is shorter would only garble texts.
	shortestSecret = 4
	// shortestUnnamed is the same for a variable of a plugin's environment that
	// does not sound secret: a region, a profile, or "true" stand in many texts.
	shortestUnnamed = 16
	// longestText bounds a text that is shown.
	longestText = 500
)

// secretName is part of what variables are called that hold something secret.
var secretName = regexp.MustCompile(`(?i)token|pass|secret|key|cred|auth`)

// credentials are recognised by their looks where they are not known.
var credentials = regexp.MustCompile(`(?i)\b(bearer|basic)[ :]+[\w.~+/=-]{16,}|\beyJ[\w-]{8,}\.[\w-]+(\.[\w-]+)?|://[^/\s"@]+@`)

// redactor makes texts that a member has a part in fit to be shown: without the
// credentials of the configuration and those that were sent to the member,
// whoever supplied them. They are found in upper and lower case, and in base64
// and as part of a URL too; a member that disguises them in another way shows
// them.
type redactor struct {
	known []string
	sent  *sent
}

func newRedactor(cfg *rest.Config) redactor {
	r := redactor{sent: &sent{}}
	if cfg == nil {
		return r
	}
	r.known = []string{strings.TrimSpace(cfg.BearerToken), cfg.Password, string(cfg.KeyData), string(cfg.CertData)}
	if cfg.AuthProvider != nil {
		for _, v := range cfg.AuthProvider.Config {
			r.known = append(r.known, v)
		}
	}
	if cfg.ExecProvider != nil {
		for _, v := range cfg.ExecProvider.Env {
			if len(v.Value) >= shortestUnnamed || secretName.MatchString(v.Name) {
				r.known = append(r.known, v.Value)
			}
		}
	}
	r.known = slices.DeleteFunc(r.known, func(s string) bool { return len(s) < shortestSecret })
	return r
}

// text returns the message of err on one line, without credentials, of at most
// 500 bytes.
func (r redactor) text(err error) string {
	if err == nil {
		return ""
	}
	s := strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, r.clean(err.Error()))
	if len(s) > longestText {
		s = strings.ToValidUTF8(s[:longestText-3], "") + "..."
	}
	return s
}

// assigned is something secret by its name, as programs say it.
var assigned = regexp.MustCompile(`(?i)([\w-]*(?:token|password|passwd|secret|api[-_]?key)[\w-]*["']?\s*[=:]\s*["']?)[^\s"',;]{4,}`)

// line returns a line of another program fit to be shown, as text does.
func (r redactor) line(line string) string {
	return r.text(errors.New(assigned.ReplaceAllString(line, "${1}"+redacted)))
}

// clean returns s without credentials.
func (r redactor) clean(s string) string {
	secrets := slices.Clone(r.known)
	if r.sent != nil {
		secrets = append(secrets, r.sent.all()...)
	}
	// The longest first: one may be part of another.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, secret := range slices.Compact(secrets) {
		s = replaceFold(s, secret)
		if escaped := url.QueryEscape(secret); escaped != secret {
			s = replaceFold(s, escaped)
		}
		for _, encoded := range base64Of(secret) {
			s = replaceFold(s, encoded)
		}
	}
	return credentials.ReplaceAllStringFunc(s, func(found string) string {
		if strings.HasPrefix(found, "://") {
			return "://" + redacted + "@"
		}
		return redacted
	})
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
		out.WriteString(redacted)
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

// sent remembers the credentials that went to a member, in case it sends them
// back: those of a plugin or of a file are known from here only.
type sent struct {
	mu   sync.Mutex
	last []string
}

// sentMost is how many are remembered: with rotation there are two at a time.
const sentMost = 4

func (s *sent) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.last)
}

func (s *sent) note(secret string) {
	if len(secret) < shortestSecret {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.last, secret) {
		return
	}
	if len(s.last) == sentMost {
		s.last = slices.Delete(s.last, 0, 1)
	}
	s.last = append(s.last, strings.Clone(secret))
}

// noteSent goes below all that adds credentials to a request.
type noteSent struct {
	next http.RoundTripper
	sent *sent
}

// RoundTrip sends the request.
func (n *noteSent) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, password, ok := req.BasicAuth(); ok {
		n.sent.note(password)
	} else if _, token, ok := strings.Cut(req.Header.Get("Authorization"), " "); ok {
		n.sent.note(strings.TrimSpace(token))
	}
	return n.next.RoundTrip(req)
}

// WrappedRoundTripper lets client-go look through.
func (n *noteSent) WrappedRoundTripper() http.RoundTripper { return n.next }
