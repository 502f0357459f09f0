package app

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/go-logr/logr"
)

// The admin address has the profiles that go tool pprof reads, also for longer than its
// server gives other answers; the health address has none; and a program that stops waits
// for none.
func TestProfiles(t *testing.T) {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	stop := make(chan struct{})
	a := &admin{following: "follows another one", stop: stop, log: logr.Discard()}
	server := newServer("admin", a.handler(), listener, 0)
	go server.Server.Serve(listener) //nolint:errcheck // It is closed below.
	t.Cleanup(func() { _ = server.Server.Close() })
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(path string) (int, []byte) {
		t.Helper()
		response := must(client.Get("http://" + listener.Addr().String() + path))(t)
		defer response.Body.Close()
		return response.StatusCode, must(io.ReadAll(response.Body))(t)
	}
	for path, want := range map[string]string{
		"/debug/pprof/":                  "goroutine\n",
		"/debug/pprof/goroutine?debug=1": "TestProfiles",
		"/debug/pprof/heap?debug=1":      "heap profile",
	} {
		if code, text := get(path); code != http.StatusOK || !bytes.Contains(text, []byte(want)) {
			t.Errorf("%s: %d %.200q, want %q in it", path, code, text, want)
		}
	}
	for _, path := range []string{"/debug/pprof/heap", "/debug/pprof/profile?seconds=1"} {
		code, text := get(path)
		if _, err := gzip.NewReader(bytes.NewReader(text)); code != http.StatusOK || err != nil {
			t.Errorf("%s is no profile: %d, %v", path, code, err)
		}
	}
	for _, path := range []string{"/debug/pprof/profile?seconds=601", "/debug/pprof/profile?seconds=x", "/debug/pprof/trace?seconds=-1", "/debug/pprof/heap?seconds=NaN", "/debug/pprof/profile?seconds=0.5", "/debug/pprof/heap?seconds=1.5"} {
		if code, text := get(path); code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	if code, text := get("/debug/pprof/trace?seconds=0.1"); code != http.StatusOK {
		t.Errorf("a trace of a part of a second: %d %s", code, text)
	}
	for range cap(profiling) {
		profiling <- struct{}{}
	}
	if code, text := get("/debug/pprof/heap"); code != http.StatusServiceUnavailable {
		t.Errorf("one profile too many: %d %.200q", code, text)
	}
	for range cap(profiling) {
		<-profiling
	}
	if code, _ := get("/debug/pprof/cmdline"); code != http.StatusNotFound {
		t.Errorf("the command line is shown: %d", code)
	}
	close(stop)
	if code, _ := get("/debug/pprof/profile?seconds=600"); code != http.StatusOK { // and not after ten minutes
		t.Errorf("a profile of a program that stops: %d", code)
	}
}

func TestProfilesAreNotOnTheHealthAddress(t *testing.T) {
	for pattern := range (&admin{log: logr.Discard()}).profiles() {
		request := must(http.NewRequest(http.MethodGet, "http://localhost"+strings.TrimPrefix(pattern, "GET "), http.NoBody))(t)
		if _, found := new(program).pages().Handler(request); found != "" {
			t.Errorf("%s is %s of the health address", pattern, found)
		}
	}
}
