package httpdest

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/internal/redact"
)

// fresh is for how long files are not looked at again.
const fresh = time.Second

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
	if h.headerFile != "" {
		more, err := ReadHeaders(h.headerFile, next)
		if err != nil {
			return nil, nil, fmt.Errorf("header-file: %w", err)
		}
		secrets = append(secrets, more...)
	}
	return next, secrets, nil
}
