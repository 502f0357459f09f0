package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// errKeys is wrapped by every error of a source.
var errKeys = errors.New("get the keys for S3")

// provider asks a [Source] for the keys of each request before the client makes it: the
// client itself would ask without the request's ctx, and with a mutex locked that other
// requests wait for whatever becomes of theirs. So a service of keys that does not answer
// would hold up writes for ever.
type provider struct {
	source  Source
	client  *http.Client
	timeout time.Duration
	note    func(secret string)
	turn    chan struct{} // holds one while the source is asked
}

func newProvider(source Source, client *http.Client, timeout time.Duration, note func(secret string)) *provider {
	return &provider{source: source, client: client, timeout: timeout, note: note, turn: make(chan struct{}, 1)}
}

type keysKey struct{}

// withKeys returns a context for one request, with the keys of now. It returns soon once
// ctx has ended, or the timeout is over.
func (p *provider) withKeys(ctx context.Context) (context.Context, error) {
	bounded, cancel := context.WithTimeoutCause(ctx, p.timeout, fmt.Errorf("they have not come within %v: %w", p.timeout, context.DeadlineExceeded))
	defer cancel()
	select {
	case p.turn <- struct{}{}:
	case <-bounded.Done():
		return nil, fmt.Errorf("%w: another write asks for them: %w", errKeys, context.Cause(bounded))
	}
	defer func() { <-p.turn }()
	k, err := p.source(bounded, p.client)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errKeys, err)
	}
	p.note(k.SecretAccessKey)
	p.note(k.SessionToken)
	return context.WithValue(ctx, keysKey{}, k), nil
}

// RetrieveWithCredContext returns the keys that the context holds. Requests that are made
// at the same time may have those of one of them.
func (p *provider) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	if cc.Context != nil {
		if k, ok := cc.Context.Value(keysKey{}).(Keys); ok {
			return credentials.Value{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, SessionToken: k.SessionToken, SignerType: credentials.SignatureV4}, nil
		}
	}
	return credentials.Value{}, fmt.Errorf("%w: the request has none", errKeys)
}

// Retrieve is not called by this version of the client.
func (p *provider) Retrieve() (credentials.Value, error) {
	return p.RetrieveWithCredContext(&credentials.CredContext{})
}

// IsExpired is always true: the source keeps what is to be kept.
func (p *provider) IsExpired() bool { return true }
