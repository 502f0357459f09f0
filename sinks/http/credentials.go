package httpsink

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/internal/httpdest"
	"github.com/fairlead-dev/fairlead/internal/redact"
)

// fresh is for how long files are not looked at again.
const fresh = time.Second

// pass is what a request proves itself with: what was in the files at one moment.
// Nobody changes it.
type pass struct {
	header  http.Header // of each request
	url     *url.URL
	signers [][]byte
	// secrets is all that must be shown to nobody, of the pass before too: a request
	// that it was used for may be answered yet.
	secrets []string
	clean   *redact.Redactor
}

// passes reads the files. Any goroutine may use it.
type passes struct {
	o             *Options
	url           *url.URL
	header        http.Header // those that no file says
	authorization string

	mu     sync.Mutex
	last   *pass
	read   time.Time
	broken error // why the files could not be read when they were last; nil: they were
}

// trouble returns why the files, or one of them, cannot be read now; nil if they can.
func (p *passes) trouble() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.broken
}

// current returns what the files hold, or held not longer than a second ago. A file that
// cannot be read does not take the place of what it has held.
func (p *passes) current(now time.Time) (*pass, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last != nil && (now.Sub(p.read) < fresh || !p.files()) {
		return p.last, nil
	}
	next, err := p.load()
	switch {
	case err == nil:
		p.last = next
	case p.last == nil:
		return nil, err
	case p.broken == nil:
		p.o.Log.Error(err, "Credentials cannot be read; what the files have held before is used")
	}
	if err == nil && p.broken != nil {
		p.o.Log.Info("Credentials can be read again")
	}
	p.read, p.broken = now, err
	return p.last, nil
}

// files reports whether there are any.
func (p *passes) files() bool {
	o := p.o
	return o.TokenFile+o.PasswordFile+o.HeaderFile+o.SecretFile+o.PathFile != ""
}

func (p *passes) load() (*pass, error) {
	next := &pass{header: p.header.Clone(), url: p.url}
	for _, part := range []struct {
		name, path string
		take       func(path string) ([]string, error)
	}{
		{"token-file", p.o.TokenFile, func(path string) ([]string, error) {
			token, err := credentials.Read(path)
			next.header["Authorization"] = []string{p.authorization + " " + token}
			return []string{token}, err
		}},
		{"password-file", p.o.PasswordFile, func(path string) ([]string, error) {
			password, err := credentials.Read(path)
			both := base64.StdEncoding.EncodeToString([]byte(p.o.User + ":" + password))
			next.header["Authorization"] = []string{"Basic " + both}
			return []string{password, both}, err
		}},
		{"header-file", p.o.HeaderFile, next.readHeaders},
		{"secret-file", p.o.SecretFile, next.readSigners},
		{"path-file", p.o.PathFile, next.readPath},
	} {
		if part.path == "" {
			continue
		}
		secrets, err := part.take(part.path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", part.name, err)
		}
		next.secrets = append(next.secrets, secrets...)
	}
	known := slices.Clone(next.secrets)
	if p.last != nil {
		known = append(known, p.last.secrets...)
	}
	next.clean = redact.New(known...)
	return next, nil
}

// readHeaders adds those of a file, but none in which the sink says something itself.
func (next *pass) readHeaders(path string) (secrets []string, err error) {
	return httpdest.ReadHeaders(path, next.header, "Ce-", "Webhook-")
}

func (next *pass) readSigners(path string) ([]string, error) {
	all, numbers, err := httpdest.Lines(path)
	if len(all) > 2 {
		return nil, fmt.Errorf("read %s: it has %d secrets; write the one that counts, and for a while the one that comes", path, len(all))
	}
	for i, line := range all {
		encoded, ok := strings.CutPrefix(line, "whsec_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(key) < 24 || len(key) > 64 { // as Standard Webhooks has it
			return nil, fmt.Errorf("read %s: line %d is no whsec_ with base64 of 24 to 64 bytes behind it", path, numbers[i])
		}
		next.signers = append(next.signers, key)
	}
	return all, err
}

func (next *pass) readPath(path string) ([]string, error) {
	text, err := credentials.Read(path)
	if err != nil {
		return nil, err
	}
	secret, err := url.Parse(text)
	if err != nil || text[0] != '/' || secret.Host != "" || secret.Fragment != "" {
		return nil, errors.New("read " + path + ": it is no path of a URL; it has to begin with one slash")
	}
	u := *next.url
	u.Path, u.RawPath, u.RawQuery = secret.Path, secret.RawPath, secret.RawQuery
	next.url = &u
	// Servers echo a part of it as well.
	secrets := []string{text}
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '/' || r == '?' || r == '&' || r == '=' }) {
		if len(part) >= 8 {
			secrets = append(secrets, part)
		}
	}
	return secrets, nil
}

// messageID is an id of a message that holds no character of anybody's choice. It is the
// same whenever the same is sent.
func messageID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return fmt.Sprintf("msg_%x", sum[:16])
}
