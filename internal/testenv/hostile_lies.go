package testenv

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// Count counts the requests that it is about, and lets them be answered.
func Count(n *atomic.Int64) Lie {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.Add(1)
			next.ServeHTTP(w, r)
		})
	}
}

// Answer sends the same answer whatever is asked.
func Answer(code int, contentType, body string) Lie {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		})
	}
}

// Refuse answers with a Status object.
func Refuse(code int, reason, message string) Lie {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { refuse(w, code, reason, message) })
	}
}

// Throttle answers 429 with a Retry-After of so many seconds.
func Throttle(seconds int64) Lie {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
			refuse(w, http.StatusTooManyRequests, "TooManyRequests", "ask again later")
		})
	}
}

// HTML answers as what stands in front of an API server does.
func HTML(code int) Lie {
	return Answer(code, "text/html; charset=utf-8", "<!DOCTYPE html>\n<html><body>default backend: "+strconv.Itoa(code)+"</body></html>\n")
}

// Redirect sends the client to another address; with an empty one to where it
// is, again and again.
func Redirect(to string) Lie {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if to == "" {
				http.Redirect(w, r, r.URL.RequestURI(), http.StatusFound)
				return
			}
			http.Redirect(w, r, to+r.URL.RequestURI(), http.StatusFound)
		})
	}
}

// Hang does not answer.
func Hang(http.Handler) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

// Endless answers with start, and then with more of the same without end.
func Endless(code int, start, more string) Lie {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_ = forever(r, w, []byte(start), repeated(more))
		})
	}
}

// GzipBomb is Endless in as few bytes on the wire as gzip makes of it, about a
// thousandth.
func GzipBomb(code int, start, more string) Lie {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(code)
			_ = forever(r, w, zipped([]byte(start)), bytes.Repeat(zipped(repeated(more)), 16))
		})
	}
}

// repeated returns about a megabyte of the same.
func repeated(text string) []byte {
	return []byte(strings.Repeat(text, 1+(1<<20)/max(1, len(text))))
}

// zipped returns a complete gzip stream. Several of them in a row are one, too.
func zipped(text []byte) []byte {
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	_, _ = z.Write(text)
	_ = z.Close()
	return out.Bytes()
}

func forever(r *http.Request, w io.Writer, start, more []byte) error {
	_, err := w.Write(start)
	for err == nil {
		if r.Context().Err() != nil {
			return context.Cause(r.Context())
		}
		_, err = w.Write(more)
	}
	return err
}

// Rewrite passes on what next says, each document and each frame of a watch after
// it has been changed.
func Rewrite(change func([]byte) []byte) Lie {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&rewriter{w, change}, r)
		})
	}
}

type rewriter struct {
	http.ResponseWriter
	change func([]byte) []byte
}

func (w *rewriter) Write(p []byte) (int, error) {
	_, err := w.ResponseWriter.Write(w.change(bytes.Clone(p)))
	return len(p), err
}

// Unwrap is for http.ResponseController.
func (w *rewriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// RewriteJSON is Rewrite for what is JSON: change gets the decoded document or
// frame.
func RewriteJSON(change func(document map[string]any)) Lie {
	return Rewrite(func(text []byte) []byte {
		var document map[string]any
		if json.Unmarshal(text, &document) != nil {
			return text
		}
		change(document)
		text, err := json.Marshal(document)
		if err != nil {
			panic(err) // not reached: it was decoded from JSON
		}
		return append(text, '\n')
	})
}

// Discovered changes the resources of discovery documents, for names and kinds
// that are none.
func Discovered(change func(resource map[string]any)) Lie {
	return RewriteJSON(func(document map[string]any) {
		resources, _ := document["resources"].([]any)
		for _, r := range resources {
			if resource, ok := r.(map[string]any); ok {
				change(resource)
			}
		}
	})
}

// OtherUID answers Identity with another UID.
func OtherUID(uid string) Lie {
	return RewriteJSON(func(document map[string]any) {
		if metadata, ok := document["metadata"].(map[string]any); ok {
			metadata["uid"] = uid
		}
	})
}

// InvalidUTF8 puts bytes that are no UTF-8 before each name.
func InvalidUTF8(next http.Handler) http.Handler {
	return Rewrite(func(text []byte) []byte {
		return bytes.ReplaceAll(text, []byte(`"name":"`), []byte("\"name\":\"bad\xff\xfe\x80"))
	})(next)
}

// DuplicateKeys says the metadata of each object twice, first those of another.
func DuplicateKeys(next http.Handler) http.Handler {
	return Rewrite(func(text []byte) []byte {
		return bytes.ReplaceAll(text, []byte(`"metadata":{"name`),
			[]byte(`"metadata":{"namespace":"kube-system","name":"another","uid":"another"},"metadata":{"name`))
	})(next)
}

// Echo sends the credentials back: as the version, or in the message of a
// refusal, as they are, in capitals and in base64.
func Echo(code int) Lie {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			if code == http.StatusOK {
				reply(w, map[string]any{"major": "1", "minor": "36", "gitVersion": token})
				return
			}
			refuse(w, code, "Canary", fmt.Sprintf("you sent %s, %s, %s and %s", r.Header.Get("Authorization"), token,
				strings.ToUpper(token), base64.StdEncoding.EncodeToString([]byte(token))))
		})
	}
}

// Invent answers lists and watches with objects without end, each with a name of
// its own of so many bytes.
func Invent(nameBytes int) Lie {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			resource, _, _, _ := resourceOf(r.URL.Path)
			watch := r.URL.Query().Get("watch") != ""
			if !watch {
				_, _ = fmt.Fprintf(w, `{"apiVersion":%q,"kind":"%sList","metadata":{"resourceVersion":"999999999"},"items":[`,
					resource.groupVersion(), resource.Kind)
			}
			for n := 1; r.Context().Err() == nil; n++ {
				name := fmt.Sprintf("%0*d", nameBytes, n)
				object := fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"namespace":"default","name":%q,"uid":"invented-%d","resourceVersion":"%d"}}`,
					resource.groupVersion(), resource.Kind, name, n, 1000+n)
				var err error
				switch {
				case watch:
					_, err = fmt.Fprintf(w, "{\"type\":\"ADDED\",\"object\":%s}\n", object)
				case n > 1:
					_, err = io.WriteString(w, ","+object)
				default:
					_, err = io.WriteString(w, object)
				}
				if err != nil {
					return
				}
			}
		})
	}
}
