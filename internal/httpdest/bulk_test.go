package httpdest

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// sizes is a connection that notes how much is written to it at once.
type sizes struct {
	net.Conn
	all  []int
	text bytes.Buffer
}

func (s *sizes) Write(p []byte) (int, error) {
	s.all = append(s.all, len(p))
	return s.text.Write(p)
}

func TestBulk(t *testing.T) {
	for size, want := range map[int][]int{0: nil, 5: {5}, bulk: {bulk}, 2*bulk + 7: {bulk, bulk, 7}} {
		text := bytes.Repeat([]byte("x"), size)
		s := &sizes{}
		// As net/http hands it over.
		n, err := io.Copy(bulkConn{s}, io.LimitReader(bytes.NewReader(text), int64(size)))
		if err != nil || n != int64(size) || !slices.Equal(s.all, want) || !bytes.Equal(s.text.Bytes(), text) {
			t.Errorf("%d bytes: %d are written, %v at once, want %v: %v", size, n, s.all, want, err)
		}
	}
}

// The transport writes large bodies so, and several at once mix nothing up.
func TestTransportWritesInBulk(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := NewTransport(u, Dial{Connections: 4, Timeout: time.Minute, Request: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	conn, err := transport.DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	if _, is := conn.(bulkConn); !is {
		t.Errorf("its connections are %T", conn)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			text := bytes.Repeat([]byte{byte('a' + i)}, 3*bulk)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, bytes.NewReader(text))
			if err != nil {
				t.Error(err)
				return
			}
			answer, err := transport.RoundTrip(request)
			if err != nil {
				t.Error(err)
				return
			}
			defer answer.Body.Close()
			if got, err := io.ReadAll(answer.Body); err != nil || !bytes.Equal(got, text) {
				t.Errorf("%d bytes come back, want %d: %v", len(got), len(text), err)
			}
		})
	}
	all.Wait()
}
