package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/sources/member"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// Question is what a member is asked.
type Question struct {
	Cluster string
	// REST is its client configuration, whose credentials are looked at; nil: it is not known.
	REST *rest.Config
	// Session is what to dial with; nil: nothing is sent.
	Session *member.Session
	// Specs are what is to be followed there: it is asked what they stand for, unless they
	// are wildcards. Followed is what is known already. Of each 50 are asked about.
	Specs    []stream.Spec
	Followed []Followed
	// Lists asks whether the member serves streaming lists.
	Lists bool
}

const (
	mostVersion = 64 << 10 // bytes of an answer to GET /version
	mostText    = 300      // bytes of a text that is shown
)

// Member asks a member all of q, until ctx ends. What it has answered by then is returned.
func Member(ctx context.Context, q Question) api.MemberProbe {
	p := About(ctx, q)
	Rights(ctx, q, &p)
	return p
}

// About asks a member about itself, until ctx ends: for its version, its clock and its
// certificate. It sends two requests, and says what is known of its credentials.
func About(ctx context.Context, q Question) api.MemberProbe {
	p := api.MemberProbe{Cluster: q.Cluster, Credentials: Credentials(q.REST)}
	if q.REST != nil && q.REST.ExecProvider != nil {
		p.Plugin = redact.Line(q.REST.ExecProvider.Command, mostText)
	}
	if q.Session == nil {
		return p
	}
	if err := version(ctx, q.Session, &p); err != nil {
		p.Error = redact.Line(q.Session.Redact(err), mostText)
	}
	return p
}

// Rights adds to what a member has said about itself what it says of the resources in q,
// unless it could not be asked.
func Rights(ctx context.Context, q Question, p *api.MemberProbe) {
	if q.Session == nil || p.Error != "" {
		return
	}
	if err := rights(ctx, q, p); err != nil {
		p.Error = redact.Line(q.Session.Redact(err), mostText)
	}
}

// version asks for the version twice: by the second time there is a connection, so that
// its time is that of one request. Both take no longer than Timeout.
func version(ctx context.Context, s *member.Session, p *api.MemberProbe) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var took time.Duration
	for range 2 {
		if err := s.Limiter.Wait(ctx); err != nil {
			return err
		}
		began := time.Now()
		resp, err := get(ctx, s.CallTransport, s.Server.JoinPath("version"))
		if err != nil {
			return err
		}
		took = time.Since(began)
		body, err := io.ReadAll(io.LimitReader(resp.Body, mostVersion))
		_ = resp.Body.Close()
		if err != nil {
			return fmt.Errorf("read the answer to GET /version: %w", err)
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("GET /version: status %d", resp.StatusCode)
		}
		p.LatencySeconds = took.Seconds()
		p.SkewSeconds = skew(resp.Header, began, took)
		certificate(resp, p)
		var info struct {
			GitVersion string `json:"gitVersion"`
		}
		if err := json.Unmarshal(body, &info); err == nil {
			p.Version = redact.Line(info.GitVersion, mostText)
		}
	}
	return nil
}

// certificate notes when the one ends that the server has shown.
func certificate(resp *http.Response, p *api.MemberProbe) {
	const what = "The certificate of the API server"
	if resp.TLS == nil || len(resp.TLS.PeerCertificates) == 0 {
		return
	}
	p.Credentials = slices.DeleteFunc(p.Credentials, func(c api.Credential) bool { return c.What == what })
	shown := resp.TLS.PeerCertificates[0]
	p.Credentials = append(p.Credentials, api.Credential{What: what, Issued: shown.NotBefore, Expires: shown.NotAfter})
}

// skew is by how many seconds the sender's clock is ahead, as far as the date of its answer
// tells, which has whole seconds; nil: it has none.
func skew(header http.Header, began time.Time, took time.Duration) *float64 {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return nil
	}
	return new(date.Add(500 * time.Millisecond).Sub(began.Add(took / 2)).Round(100 * time.Millisecond).Seconds())
}

// get sends a request that changes nothing. The caller closes the body.
func get(ctx context.Context, transport http.RoundTripper, u *url.URL) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	return transport.RoundTrip(req)
}
