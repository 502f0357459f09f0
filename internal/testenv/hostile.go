package testenv

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"log" //nolint:depguard // net/http takes no other logger
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/testca"
)

// Hostile is a member that can be told what to lie about: a TLS server on the
// loopback that answers as a small, honest API server until Lie replaces some of
// its answers. It needs no control plane and no *testing.T; end it with Close.
//
//	h, err := testenv.NewHostile("liar")           // or StartHostile(t, "liar")
//	h.Put("configmaps", "default", "a", nil)       // objects that it really has
//	stop := h.Lie(testenv.Discovery, testenv.GzipBomb(`{"resources":[`, `{},`))
//	h.Lie(testenv.Lists, testenv.HTML(404))        // the newest lie is asked first
//	h.Drop()                                       // open watches end, and come back to the lies
//	stop()                                         // that lie ends; Honest ends all
//	testenv.Kubeconfig(h, cluster)                 // it is a Target; Config has a bearer token
//
// Honest, it serves: the UID of kube-system, /version, /readyz, discovery of
// namespaces, configmaps and secrets in the core group and of widgets (wd) in
// hostile.example, GET of an object, LIST in pages, watches with bookmarks, and
// streaming lists; objects in full or as PartialObjectMetadata. What it does not
// serve, know or remember it refuses with a Status object: 401 without the token,
// 404, 405 for all that is no GET, 400 for selectors, 410 after Compact.
//
// All methods may be called at any time from anywhere.
type Hostile struct {
	name   string
	uid    string
	token  string
	ca     []byte
	url    string
	server *http.Server
	serves sync.WaitGroup // the listener and all requests

	mu      sync.Mutex
	lies    []*told
	dropped context.Context //nolint:containedctx // Ended and replaced: requests under way end.
	drop    context.CancelFunc
	closed  bool
	store   store
}

// About says which requests a lie is about.
type About func(*http.Request) bool

// A Lie is what answers in the place of next, which is the answer without it: an
// older lie's, or the honest one. It must return when the request's ctx ends.
type Lie func(next http.Handler) http.Handler

type told struct {
	about About
	lie   Lie
}

// NewHostile starts an honest member of that name. Its UID and token are its own.
func NewHostile(name string) (*Hostile, error) {
	authority, err := testca.New(name)
	if err != nil {
		return nil, err
	}
	pair, err := authority.Server()
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		return nil, fmt.Errorf("serve hostile member %s: %w", name, err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve hostile member %s: %w", name, err)
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	id := hex.EncodeToString(random[:])
	h := &Hostile{
		name: name, uid: id[:8] + "-hostile", token: "canary-token-" + id,
		ca: authority.PEM(), url: "https://" + listener.Addr().String(),
		store: newStore(),
	}
	h.dropped, h.drop = context.WithCancel(context.Background())
	h.server = &http.Server{
		Handler:           h,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		ErrorLog:          log.New(io.Discard, "", 0), // clients that give up
		ReadHeaderTimeout: 10 * time.Second,
	}
	h.serves.Go(func() { _ = h.server.ServeTLS(listener, "", "") }) // until Close
	return h, nil
}

// StartHostile is NewHostile for a test: it ends with the test. It needs no
// control plane.
func StartHostile(t testing.TB, name string) *Hostile {
	t.Helper()
	h, err := NewHostile(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("end hostile member %s: %v", name, err)
		}
	})
	return h
}

// Close ends all requests and returns when they have ended.
func (h *Hostile) Close() error {
	h.mu.Lock()
	closed := h.closed
	h.closed = true
	h.mu.Unlock()
	if closed {
		return nil
	}
	h.Drop()
	err := h.server.Close()
	h.serves.Wait()
	return err
}

// Name returns the member's name.
func (h *Hostile) Name() string { return h.name }

// URL returns the server's address.
func (h *Hostile) URL() string { return h.url }

// UID returns the UID of its kube-system namespace.
func (h *Hostile) UID() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.uid
}

// Become gives the member the UID of another cluster, a UUID. Objects that are put
// afterwards get UIDs that follow from it and from their versions: the same calls
// make the same cluster.
func (h *Hostile) Become(uid string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.uid = uid
}

// Token returns the bearer token that it asks for, so that a test can look for it
// where it must not be.
func (h *Hostile) Token() string { return h.token }

// Config returns a new client configuration, with the bearer token and without
// limits on the client's side.
func (h *Hostile) Config() *rest.Config {
	return &rest.Config{
		Host: h.url, BearerToken: h.token, QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAData: slices.Clone(h.ca)},
	}
}

// Lie has answers replaced until stop is called. Requests under way go on; see
// Drop.
func (h *Hostile) Lie(about About, lie Lie) (stop func()) {
	l := &told{about, lie}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lies = append(h.lies, l)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.lies = slices.DeleteFunc(slices.Clone(h.lies), func(o *told) bool { return o == l })
	}
}

// Honest ends all lies. Requests under way go on; see Drop.
func (h *Hostile) Honest() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lies = nil
}

// Drop ends all requests under way, watches above all, as if each had come to
// its end.
func (h *Hostile) Drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop()
	h.dropped, h.drop = context.WithCancel(context.Background())
}

// ServeHTTP answers a request.
func (h *Hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		panic(http.ErrAbortHandler) // a return would be an answer: 200, and nothing in it
	}
	h.serves.Add(1)
	defer h.serves.Done()
	dropped, lies := h.dropped, h.lies
	h.mu.Unlock()

	defer context.AfterFunc(dropped, cancel)()
	r = r.WithContext(ctx)
	var answer http.Handler = http.HandlerFunc(h.honest)
	for _, l := range lies {
		if l.about(r) {
			answer = l.lie(answer)
		}
	}
	answer.ServeHTTP(w, r)
}
