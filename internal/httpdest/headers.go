package httpdest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/internal/smallfile"
)

const (
	// fresh is for how long files are not looked at again.
	fresh = time.Second
	// maxHeaderFile bounds a file of headers, in bytes.
	maxHeaderFile = 64 << 10
)

// headers are those of each request, with what the files hold.
type headers struct {
	tokenFile, headerFile string
	fixed                 http.Header

	mu   sync.Mutex
	last http.Header // nobody changes it
	at   time.Time   // when the files were read
	// secrets are what the files hold. clean knows these and those before them.
	secrets []string
	clean   *redact.Redactor
}

// current returns what is sent now.
func (h *headers) current(now time.Time) (http.Header, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last != nil && (now.Sub(h.at) < fresh || h.tokenFile+h.headerFile == "") {
		return h.last, nil
	}
	next, secrets, err := h.load()
	if err != nil && h.last == nil {
		return nil, err
	}
	if err == nil {
		h.last = next
		if !slices.Equal(secrets, h.secrets) {
			h.clean = redact.New(slices.Concat(secrets, h.secrets)...)
			h.secrets = secrets
		}
	}
	h.at = now
	return h.last, nil
}

func (h *headers) redactor() *redact.Redactor {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.clean == nil {
		return redact.New()
	}
	return h.clean
}

// load reads the files.
func (h *headers) load() (next http.Header, secrets []string, err error) {
	next = h.fixed.Clone()
	if next == nil {
		next = http.Header{}
	}
	if h.tokenFile != "" {
		token, err := credentials.Read(h.tokenFile)
		if err != nil {
			return nil, nil, fmt.Errorf("token-file: %w", err)
		}
		secrets = append(secrets, token)
		next.Set("Authorization", "Bearer "+token)
	}
	if h.headerFile == "" {
		return next, secrets, nil
	}
	text, err := smallfile.Read(h.headerFile, maxHeaderFile)
	if err != nil {
		return nil, nil, fmt.Errorf("header-file: %w", err)
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, colon := strings.Cut(line, ":")
		name, value = http.CanonicalHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value)
		if !colon || value == "" || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, nil, fmt.Errorf("header-file: read %s: line %d is no NAME: VALUE of a header", h.headerFile, number)
		}
		if _, ours := h.fixed[name]; ours || isOfTheBody(name) {
			return nil, nil, fmt.Errorf("header-file: read %s: line %d gives header %s, which the sink itself sets", h.headerFile, number, name)
		}
		next.Set(name, value)
		secrets = append(secrets, value)
		if _, credential, two := strings.Cut(value, " "); two { // SCHEME CREDENTIAL
			secrets = append(secrets, credential)
		}
	}
	return next, secrets, nil
}

// isOfTheBody reports whether a header says how the body is written, or where it goes.
func isOfTheBody(name string) bool {
	switch name {
	case "Host", "Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Connection", "Trailer", "Te", "Upgrade":
		return true
	}
	return false
}
