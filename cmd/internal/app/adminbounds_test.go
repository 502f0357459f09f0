package app

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// blocked is an answer to a client that does not read.
type blocked struct {
	*httptest.ResponseRecorder
	begun chan<- struct{}
	end   <-chan struct{}
}

func (b blocked) Write([]byte) (int, error) {
	b.begun <- struct{}{}
	<-b.end
	return 0, io.ErrClosedPipe
}

// TestTheAdminAddressIsBounded: of costly pages only so many are made at once, however
// slowly they are read.
func TestTheAdminAddressIsBounded(t *testing.T) {
	p := &program{settings: parseWith(t, Options{}, "--watch=pods", "--clusters=dir:/x"), log: logr.Discard(), members: newMembers()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	h := p.adminServer(l).Server.Handler
	for _, path := range []string{"/clusters", "/metrics"} {
		begun, end, ended := make(chan struct{}, 100), make(chan struct{}), make(chan struct{}, mostRequests)
		for range mostRequests {
			go func() {
				h.ServeHTTP(blocked{httptest.NewRecorder(), begun, end}, httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+path, nil))
				ended <- struct{}{}
			}()
			<-begun
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+path, nil))
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("one more of %s: %d, want 503", path, w.Code)
		}
		close(end)
		for range mostRequests {
			<-ended
		}
	}
}

// deadlined notes that it is given more time.
type deadlined struct {
	*httptest.ResponseRecorder
	given bool
}

func (d *deadlined) SetReadDeadline(time.Time) error { return nil }
func (d *deadlined) SetWriteDeadline(time.Time) error {
	d.given = true
	return nil
}

// TestOnlyWhoMayWaitGetsMoreTime: what is answered at once is written as fast as
// elsewhere.
func TestOnlyWhoMayWaitGetsMoreTime(t *testing.T) {
	a := &admin{following: "follows another one", metrics: http.NotFoundHandler(), flags: func() []api.Flag { return nil }, log: logr.Discard()}
	for what, want := range map[string]bool{
		"GET /flags": false, "GET /metrics": false, "GET /limits": false, "GET /clusters": false,
		"POST /replay": true, "GET /check": true, "GET /tail": true, "GET /diff": true, "GET /debug/pprof/": true,
	} {
		method, path, _ := strings.Cut(what, " ")
		w := &deadlined{ResponseRecorder: httptest.NewRecorder()}
		a.handler().ServeHTTP(w, httptest.NewRequest(method, "http://127.0.0.1"+path, nil))
		if w.given != want {
			t.Errorf("%s gets more time: %v", what, w.given)
		}
	}
}
