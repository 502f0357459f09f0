package connection

import (
	"io"
	"testing"

	"k8s.io/client-go/rest"
)

// An answer that breaks off is a reason to ask the member, whatever ends it, over HTTP/1.1 as
// over HTTP/2; its regular end is none.
func TestAnswerThatBreaksOff(t *testing.T) {
	for _, test := range []struct {
		name, path string
		ends       func(*server)
		doubtful   bool
	}{
		{"the connection is cut", "/watch", func(s *server) { s.CloseClientConnections() }, true},
		{"the server gives it up", "/aborted", func(*server) {}, true},
		{"the server ends it", "/watch", func(s *server) { close(s.release) }, false},
	} {
		for _, of := range []string{"watch", "call"} {
			t.Run(test.name+", of a "+of, func(t *testing.T) {
				srv := newServer(t, true)
				c := newConnection(t, Options{REST: srv.rest()})
				stop := running(t, c)
				defer stop()
				s := acquire(t, c)
				client := map[string]rest.Interface{"watch": s.Watches, "call": s.Calls}[of]
				body, err := client.Get().AbsPath(test.path).MaxRetries(0).Stream(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = body.Close() }()
				frame := make([]byte, len("frame\n"))
				if _, err := io.ReadFull(body, frame); err != nil {
					t.Fatal(err)
				}
				test.ends(srv)
				_, err = body.Read(frame)
				if err == nil || (err == io.EOF) == test.doubtful { //nolint:errorlint // EOF is what it is.
					t.Fatalf("it ends with %v", err)
				}
				if err == io.EOF { //nolint:errorlint // As above: who reads it reports no end.
					err = nil
				}
				c.Report(s, err)
				if suspected := c.Status().LastError != ""; suspected != test.doubtful {
					t.Errorf("%T %v: suspected %v", err, err, suspected)
				}
			})
		}
	}
}
