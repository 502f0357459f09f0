package httpsink_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fairlead-dev/fairlead/pipeline"
	httpsink "github.com/fairlead-dev/fairlead/sinks/http"
)

// TestEndlessAnswers are not read to the end, whatever they say.
func TestEndlessAnswers(t *testing.T) {
	for _, format := range []httpsink.Format{httpsink.Structured, httpsink.Elasticsearch} {
		for _, status := range []int{200, 401} {
			var written atomic.Int64
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(status)
				chunk := []byte(strings.Repeat("x", 64<<10))
				for r.Context().Err() == nil {
					n, err := w.Write(chunk)
					written.Add(int64(n))
					if err != nil {
						return
					}
				}
			})
			err := open(t, httpsink.Options{URL: s.URL, Format: format}).Write(t.Context(), batchOf(1))
			if wants := status == 200 && format == httpsink.Structured; (err == nil) != wants || pipeline.IsPermanent(err) {
				t.Errorf("%s, %d: %v", format, status, err)
			}
			if strings.Contains(fmt.Sprint(err), "xxx") {
				t.Errorf("%s, %d: the error shows what was cut off: %v", format, status, err)
			}
			s.stop() // so that the handler has ended
			if n := written.Load(); n > 64<<20 {
				t.Errorf("%s, %d: %d bytes were taken", format, status, n)
			}
			s.start()
		}
	}
}

// TestSlowAnswers end with the timeout, and with the context.
func TestSlowAnswers(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"no answer": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // or the server does not see that the client is gone
			<-r.Context().Done()
		},
		"no end": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, `{"items":[`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		s := serve(t, handler)
		err := open(t, httpsink.Options{URL: s.URL, Format: httpsink.Elasticsearch, Timeout: 50 * time.Millisecond}).Write(t.Context(), batchOf(1))
		if err == nil || !strings.Contains(err.Error(), "no complete answer within 50ms; see timeout") || pipeline.IsPermanent(err) {
			t.Errorf("%s: %v", name, err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		over := errors.New("the program ends")
		time.AfterFunc(20*time.Millisecond, func() { cancel(over) })
		if err := open(t, httpsink.Options{URL: s.URL, Format: httpsink.Elasticsearch}).Write(ctx, batchOf(1)); !errors.Is(err, over) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAServerThatDoesNotRead answers before it has read: nothing hangs, and the memory of
// the batch is not read behind Write's back, which the race detector sees.
func TestAServerThatDoesNotRead(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	for _, format := range []httpsink.Format{httpsink.Binary, httpsink.Batch} {
		sink := open(t, httpsink.Options{URL: s.URL, Format: format})
		for range 10 {
			c := pod("large", 1)
			c.Object = []byte(`{"k":"` + strings.Repeat("x", 4<<20) + `"}`)
			if err := sink.Write(t.Context(), []*pipeline.Change{c}); err == nil {
				t.Error("it is accepted")
			}
			clear(c.Object)
		}
	}
}

// TestGarbage is an error that shows no more than it may.
func TestGarbage(t *testing.T) {
	for name, answer := range map[string]string{
		"no HTTP":     "\x00\x01\x02\xff\r\n\r\n",
		"SSH":         "SSH-2.0-OpenSSH_9.2\r\n",
		"long header": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"cut off":     "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{",
		"nothing":     "",
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		})
		err := open(t, httpsink.Options{URL: s.URL, Format: httpsink.Elasticsearch}).Write(t.Context(), batchOf(1))
		if err == nil || pipeline.IsPermanent(err) || len(err.Error()) > 600 || !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\n\r\x00\x01") {
			t.Errorf("%s: %q", name, err)
		}
	}
}

// TestAServerThatEchoesCredentials finds them in no error, whatever it makes of them.
func TestAServerThatEchoesCredentials(t *testing.T) {
	const token, other, path = "c4nary-token-0123456789", "c4nary-header-0123456789", "c4nary-path-0123456789"
	for name, echo := range map[string]func(w http.ResponseWriter, r *http.Request){
		"body": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprint(w, r.Header, r.URL)
		},
		"at the cut": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprint(w, strings.Repeat("y", 283), r.Header.Get("Authorization"), r.Header.Get("X-Api-Key"), r.URL.Path)
		},
		"broken off within it": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_, _ = io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 500\r\n\r\nunknown token "+token[:len(token)-2])
				_ = conn.Close()
			}
		},
		"location": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://"+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")+".example/"+r.URL.Path)
			w.WriteHeader(http.StatusFound)
		},
		"location at the cut": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://"+strings.Repeat("y", 90)+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
			w.WriteHeader(http.StatusFound)
		},
		"no HTTP": func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, r.Header.Get("Authorization")+r.URL.Path+"\r\n\r\n")
				_ = conn.Close()
			}
		},
		"bulk": func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `{"items":[{"index":{"status":400,"error":{"type":%q,"reason":"x"}}}]}`, r.Header.Get("Authorization"))
		},
	} {
		s := serve(t, echo)
		sink := open(t, httpsink.Options{
			URL: s.URL, Format: httpsink.Elasticsearch, TokenFile: file(t, "token", token), HeaderFile: file(t, "headers", "X-Api-Key: "+other), PathFile: file(t, "path", "/a/"+path),
		})
		err := sink.Write(t.Context(), batchOf(1))
		if err == nil || strings.Contains(strings.ToLower(err.Error()), "c4nary") {
			t.Errorf("%s: %v", name, err)
		}
		if err := sink.Check(t.Context()); err != nil && strings.Contains(strings.ToLower(err.Error()), "c4nary") {
			t.Errorf("%s: Check: %v", name, err)
		}
	}
}

// TestAServerThatEchoesASecret: of what was sent with a Secret no error shows anything,
// wherever the server puts it.
func TestAServerThatEchoesASecret(t *testing.T) {
	const value = "aHVudGVyMg"
	say := func(answer string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_, _ = io.WriteString(conn, answer)
				_ = conn.Close()
			}
		}
	}
	for name, answer := range map[string]func(http.ResponseWriter){
		"400":      say("HTTP/1.1 400 Bad Request\r\nContent-Length: 10\r\n\r\n" + value),
		"403":      say("HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\n" + value),
		"500":      say("HTTP/1.1 500 Oh\r\nContent-Length: 10\r\n\r\n" + value),
		"location": say("HTTP/1.1 302 Found\r\nLocation: http://" + value + ".example/\r\nContent-Length: 0\r\n\r\n"),
		"no HTTP":  say(value + "\r\n\r\n"),
		"a header": say("HTTP/1.1 200 OK\r\n" + value + "\r\n\r\n"),
		"bulk": func(w http.ResponseWriter) {
			_, _ = fmt.Fprintf(w, `{"items":[{"index":{"status":400,"error":{"type":%q}}},{"index":{"status":200}}]}`, value)
		},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			answer(w)
		})
		c := pod("db", 1)
		c.Key.Resource, c.Object = "secrets", []byte(`{"data":{"password":"aHVudGVyMg=="}}`)
		for _, format := range []httpsink.Format{httpsink.Structured, httpsink.Batch, httpsink.Elasticsearch} {
			err := open(t, httpsink.Options{URL: s.URL, Format: format}).Write(t.Context(), []*pipeline.Change{c, pod("a", 1)})
			if err == nil && name != "bulk" || strings.Contains(strings.ToLower(fmt.Sprint(err)), strings.ToLower(value)) {
				t.Errorf("%s, %s: %v", name, format, err)
			}
		}
	}
}

// TestAnswersOfManyItems take memory as they have bytes, and are not read to the end.
func TestAnswersOfManyItems(t *testing.T) {
	text := `{"items":[{}` + strings.Repeat(",{}", 4<<20/3) + "]}"
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	for _, o := range []httpsink.Options{
		{Format: httpsink.Elasticsearch}, {Format: httpsink.Template, Template: row, Join: httpsink.JoinArray, Items: "/items", ItemStatus: "/s"},
		{Format: httpsink.Template, Template: row, Join: httpsink.JoinArray, Success: "/errors=false"},
	} {
		o.URL = s.URL
		sink, c := open(t, o), batchOf(1)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := sink.Write(t.Context(), c)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; err == nil || n > 4<<20 { // of the server, too
			t.Errorf("%s: %d bytes: %v", o.Format, n, err)
		}
	}
}

// TestNamesMakeNoHeaders: a line end in a name ends no header.
func TestNamesMakeNoHeaders(t *testing.T) {
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Injected") != "" || r.Header.Get("Ce-Name") != "a%0D%0AX-Injected:%20yes" {
			t.Errorf("%v", r.Header)
		}
	})
	write(t, open(t, httpsink.Options{URL: s.URL, Format: httpsink.Binary}), pod("a\r\nX-Injected: yes", 1))
}
