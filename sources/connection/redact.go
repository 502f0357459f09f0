package connection

import (
	"net/http"
	"regexp"
	"strings"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

// shortestUnnamed is the least length, in bytes, of a variable of a plugin's
// environment that does not sound secret and is kept secret: a region, a profile, or
// "true" stand in many texts.
const shortestUnnamed = 16

// secretName is part of what variables are called that hold something secret.
var secretName = regexp.MustCompile(`(?i)token|pass|secret|key|cred|auth`)

// redactorOf makes texts that a member has a part in fit to be shown: without the
// credentials of the configuration, and those that are noted as sent to the member,
// whoever supplied them.
func redactorOf(cfg *rest.Config) *redact.Redactor {
	if cfg == nil {
		return redact.New()
	}
	known := []string{strings.TrimSpace(cfg.BearerToken), cfg.Password, string(cfg.KeyData), string(cfg.CertData)}
	if cfg.AuthProvider != nil {
		for _, v := range cfg.AuthProvider.Config {
			known = append(known, v)
		}
	}
	if cfg.ExecProvider != nil {
		for _, v := range cfg.ExecProvider.Env {
			if len(v.Value) >= shortestUnnamed || secretName.MatchString(v.Name) {
				known = append(known, v.Value)
			}
		}
	}
	return redact.New(known...)
}

// noteSent goes below all that adds credentials to a request. Those of a plugin or
// of a file are known from here only.
type noteSent struct {
	next   http.RoundTripper
	redact *redact.Redactor
}

// RoundTrip sends the request.
func (n *noteSent) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, password, ok := req.BasicAuth(); ok {
		n.redact.Note(password)
	} else if _, token, ok := strings.Cut(req.Header.Get("Authorization"), " "); ok {
		n.redact.Note(strings.TrimSpace(token))
	}
	return n.next.RoundTrip(req)
}

// WrappedRoundTripper lets client-go look through.
func (n *noteSent) WrappedRoundTripper() http.RoundTripper { return n.next }
