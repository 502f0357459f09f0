package connection

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// switches answers 101, and then sends a lot in what is no HTTP any more.
func switches(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: any\r\n\r\n")
		more := bytes.Repeat([]byte("x"), 1<<20)
		for n := 0; n < 64 && err == nil; n++ {
			_, err = conn.Write(more)
		}
	})
}

// TestNobodyAskedForAnotherProtocol: what is sent after a 101 has no bound.
func TestNobodyAskedForAnotherProtocol(t *testing.T) {
	h := testenv.StartHostile(t, "liar")
	cfg := h.Config()
	cfg.NextProtos = []string{"http/1.1"} // HTTP/2 has nothing like it
	c := newConnection(t, Options{REST: cfg, Config: Config{MaxAnswer: 8 << 20, ReconnectMax: time.Second}})
	t.Cleanup(running(t, c))
	s := acquire(t, c)
	h.Lie(testenv.Path("/api/v1/configmaps"), switches)
	h.Lie(testenv.Discovery, switches)
	for name, call := range map[string]func() error{
		"a watch": func() error {
			_, err := s.Watches.Get().AbsPath("/api/v1/configmaps").Param("watch", "true").Stream(t.Context())
			return err
		},
		"a call": func() error {
			return s.Calls.Get().AbsPath("/api/v1/configmaps").Do(t.Context()).Error()
		},
		"discovery": func() error {
			_, err := discoverer1(s).ServerResourcesForGroupVersionWithContext(t.Context(), "v1")
			return err
		},
	} {
		err := call()
		if !errors.Is(err, errSwitched) && apistatus.Of(err).Code != http.StatusServiceUnavailable {
			t.Errorf("%s: %v, want 503", name, err)
		}
	}
}

// TestErrorsOfADiscoveryShareItsBounds: there may be a thousand of them, and all
// are kept until the last document was read.
func TestErrorsOfADiscoveryShareItsBounds(t *testing.T) {
	const groups = 60
	h, s, _ := hostile(t)
	var list []string
	for i := range groups {
		list = append(list, fmt.Sprintf(`{"name":"g%d","versions":[{"groupVersion":"g%d/v1","version":"v1"}]}`, i, i))
	}
	h.Lie(func(r *http.Request) bool { return r.URL.Path == "/apis" }, testenv.Answer(200, "application/json",
		`{"kind":"APIGroupList","groups":[`+strings.Join(list, ",")+`]}`))
	h.Lie(testenv.Path("/apis/"), testenv.Answer(500, "application/json",
		`{"kind":"Status","status":"Failure","code":500,"message":"`+strings.Repeat("x", maxRefusal-2000)+`"}`))
	_, _, err := discoverer1(s).ServerGroupsAndResourcesWithContext(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	if n := len(err.Error()); n > maxDiscovery {
		t.Errorf("the errors take %d bytes, more than %d", n, maxDiscovery)
	}
}

// TestDocumentsAreReadFewAtATime: each answer may have a head of maxResponseHead.
func TestDocumentsAreReadFewAtATime(t *testing.T) {
	d := newDiscoverer(nil) // nothing can be asked
	if !d.reads.TryAcquire(maxReads) {
		t.Error("fewer may be read")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.documents.ServerResourcesForGroupVersionWithContext(ctx, "v1")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("another one may be read: %v", err)
	}
}

// TestMediaTypesOfAnAPIServer: it may call what was asked for by another of its
// names.
func TestMediaTypesOfAnAPIServer(t *testing.T) {
	h, s, _ := hostile(t)
	for accept, contentType := range map[string]string{
		"application/json": "application/json;stream=watch",
		"application/vnd.kubernetes.protobuf;stream=watch":                                                 "application/vnd.kubernetes.protobuf;stream=watch",
		"application/com.github.proto-openapi.spec.v2@v1.0+protobuf":                                       "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
		"application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json":                    "application/json",
		"application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json": "application/vnd.kubernetes.protobuf",
		"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json":            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
		"application/json, */*": "text/plain; charset=utf-8",
	} {
		h.Honest()
		h.Lie(testenv.Path("/odd"), testenv.Answer(200, contentType, "{}"))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(s.Server.String(), "/")+"/odd", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		resp, err := s.CallTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("asked for %s, got %s: taken for %s", accept, contentType, resp.Status)
		}
	}
}
