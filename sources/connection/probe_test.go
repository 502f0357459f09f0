package connection

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// by answers probes by path.
func by(identity, version answer) answer {
	return func(req *http.Request) (*http.Response, error) {
		if req.URL.Path == identityPath {
			return identity(req)
		}
		return version(req)
	}
}

func text(code int, body string) answer {
	return func(req *http.Request) (*http.Response, error) {
		return response(req, code, "application/json", body), nil
	}
}

func TestProbe(t *testing.T) {
	forbidden, notFound := status(403, "Forbidden"), status(404, "NotFound")
	for name, tt := range map[string]struct {
		answer answer
		result string
		digest bool
	}{
		"healthy":                            {healthy(uidA), resultOK, false},
		"version refused":                    {by(healthy(uidA), status(500, "InternalError")), resultOK, false},
		"version is rubbish":                 {by(healthy(uidA), text(200, "<html>")), resultOK, false},
		"namespace forbidden":                {by(forbidden, healthy(uidA)), resultOK, true},
		"everything forbidden":               {forbidden, resultOK, true},
		"not ready":                          {starting, resultUnavailable, false},
		"no such namespace":                  {by(notFound, healthy(uidA)), resultOK, true},
		"nothing there":                      {notFound, resultInvalid, false},
		"forbidden by a gateway":             {gateway(403), resultUnavailable, false},
		"forbidden, then a gateway":          {by(forbidden, gateway(403)), resultUnavailable, false},
		"forbidden, then version is rubbish": {by(forbidden, text(200, "{}")), resultInvalid, false},
		"forbidden, then down":               {by(forbidden, refused), resultUnreachable, false},
		"a login page":                       {gateway(200), resultUnavailable, false},
		"not found by a gateway":             {gateway(404), resultUnavailable, false},
		"no UID":                             {text(200, `{"metadata":{"name":"kube-system"}}`), resultInvalid, false},
		"another namespace":                  {text(200, `{"metadata":{"name":"default","uid":"x"}}`), resultInvalid, false},
		"a UID that is a path":               {text(200, `{"metadata":{"name":"kube-system","uid":"../../etc"}}`), resultInvalid, false},
		"a UID without end":                  {text(200, `{"metadata":{"name":"kube-system","uid":"`+strings.Repeat("x", 1<<20)+`"}}`), resultInvalid, false},
		"an answer without end":              {text(200, `{"metadata":{"name":"`+strings.Repeat("x", 4<<20)), resultInvalid, false},
		"refused":                            {refused, resultUnreachable, false},
		"500":                                {status(500, "InternalError"), resultUnavailable, false},
		"503":                                {gateway(503), resultUnavailable, false},
		"401":                                {gateway(401), resultUnauthorized, false},
		"400":                                {status(400, "BadRequest"), resultInvalid, false},
		"a redirect to elsewhere":            {redirect("https://elsewhere.example/"), resultInvalid, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubbleWith(t, Options{}, tt.answer, func(t *testing.T, c *Connection, _ *fakeMember) {
				dialed(c)
				synctest.Wait()
				s := c.Status()
				if s.Probes[tt.result] == 0 || s.ByDigest != tt.digest {
					t.Errorf("probes %v, by digest %v (%s), want %s, %v", s.Probes, s.ByDigest, s.LastError, tt.result, tt.digest)
				}
				if (tt.result == resultOK) != (s.State == member.Live) {
					t.Fatalf("state %q", s.State)
				}
				if tt.digest && (!strings.HasPrefix(acquire(t, c).UID, "digest-") || acquire(t, c).Digest != acquire(t, c).UID) {
					t.Errorf("UID %q", s.ClusterUID)
				}
			})
		})
	}
}

// starting is an API server that has not set up its roles yet.
func starting(req *http.Request) (*http.Response, error) {
	if req.URL.Path == "/readyz" {
		return response(req, 500, "text/plain", "[-]poststarthook/rbac/bootstrap-roles failed"), nil
	}
	return status(403, "Forbidden")(req)
}

// TestDigestIsTheLastResort: for a moment, a new cluster has no kube-system
// namespace, and one that starts forbids to read it.
func TestDigestIsTheLastResort(t *testing.T) {
	for name, first := range map[string]answer{
		"no namespace yet": by(status(404, "NotFound"), healthy(uidA)),
		"no roles yet":     starting,
		"no access yet":    by(status(403, "Forbidden"), healthy(uidA)),
	} {
		t.Run(name, func(t *testing.T) {
			bubbleWith(t, Options{}, first, func(t *testing.T, c *Connection, m *fakeMember) {
				time.Sleep(digestPatience - time.Millisecond)
				if s := c.Status(); s.State == member.Live || s.ClusterUID != "" || s.Reason == "" {
					t.Errorf("status %+v", s)
				}
				m.set(nil)
				if s := acquire(t, c); s.UID != uidA || c.Status().ByDigest {
					t.Errorf("UID %q", s.UID)
				}
				m.set(first) // by now it is known who it is
				c.SetREST(m.rest())
				if s := acquire(t, c); s.UID != uidA {
					t.Errorf("UID %q", s.UID)
				}
			})
		})
	}
}

func redirect(to string) answer {
	return func(req *http.Request) (*http.Response, error) {
		return response(req, 302, "text/html", "", "Location", to), nil
	}
}

// TestLog: transitions only, and the digest is told once.
func TestLog(t *testing.T) {
	var lines []string
	log := funcr.New(func(_, args string) {
		if i := strings.Index(args, `"nextRetry"`); i > 0 {
			args = args[:i]
		}
		lines = append(lines, args)
	}, funcr.Options{})
	options := Options{Log: log, Config: Config{HealthInterval: time.Hour}}
	readable := by(status(403, "Forbidden"), healthy(uidA))
	bubbleWith(t, options, readable, func(t *testing.T, c *Connection, m *fakeMember) {
		s := acquire(t, c)
		for range 20 { // suspicions that come to nothing
			c.Report(s, refusedError)
			settled()
			acquire(t, c)
		}
		m.set(refused)
		c.Report(s, refusedError)
		for range 20 {
			settled()
		}
		m.set(readable)
		acquire(t, c)
	})
	want := []string{
		`"The kube-system namespace cannot be read`,
		`"Connection changed its state" "cluster"="a" "state"="live" "was"="connecting"`,
		`"Connection changed its state" "cluster"="a" "state"="backing off" "was"="live" "reason"="unreachable" "error"="Get \"https://member.example/api/v1/namespaces/kube-system\": dial tcp 192.0.2.1:6443: connect: connection refused" "attempt"=1`,
		`"Connection changed its state" "cluster"="a" "state"="live" "was"="backing off"`,
		`"Connection changed its state" "cluster"="a" "state"="gone" "was"="live" "reason"="removed"`,
	}
	for i, line := range lines {
		line = strings.TrimPrefix(line, `"level"=0 "msg"=`)
		if i == 0 {
			line, _, _ = strings.Cut(line, ":")
		}
		lines[i] = strings.TrimSpace(line)
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}
