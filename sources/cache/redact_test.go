package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

// TestNoCredentialsShown: what a gateway sends back of a request is nowhere to
// be read, whichever request it was.
func TestNoCredentialsShown(t *testing.T) {
	const token = "a-token-of-the-member"
	// Also where the text is cut.
	echo := fmt.Sprintf(`"message": "no.\n%s%s is not\nwelcome %s"`, strings.Repeat("-", 290), token, token)
	refused := `{"kind": "Status", "apiVersion": "v1", "status": "Failure", ` + echo + `}`
	for name, answer := range map[string]func(path string, watch bool) (int, string){
		"discovery broken": func(string, bool) (int, string) { return -1, "no.\n" + strings.Repeat("-", 290) + token },
		"list refused": func(path string, _ bool) (int, string) {
			if path == "/api/v1/configmaps" {
				return 403, refused
			}
			return 0, ""
		},
		"list not understood": func(path string, _ bool) (int, string) {
			if path == "/api/v1/configmaps" {
				return 422, refused
			}
			return 0, ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			conn := newScripted(answer)
			conn.session.Redact = func(err error) string {
				return strings.ReplaceAll(err.Error(), token, "[redacted]")
			}
			var mu sync.Mutex
			var texts []string
			log := funcr.New(func(_, args string) {
				mu.Lock()
				defer mu.Unlock()
				texts = append(texts, args)
			}, funcr.Options{})
			q := newQueue()
			defer q.ShutDown()
			following(t, Options{Log: log}, conn, func(f *Fleet, ctx context.Context) {
				if err := Kind(f, &corev1.ConfigMap{}, EnqueueRequestForObject).Start(ctx, q); err != nil {
					t.Fatal(err)
				}
			}, func(f *Fleet) {
				time.Sleep(10 * time.Minute) // it is reported as not synced in time
				s := f.State("a")
				if !strings.Contains(s.Reason, "no. ---") || !strings.Contains(s.LastError, "no. ---") {
					t.Errorf("does not tell what is wrong: %+v", s)
				}
				mu.Lock()
				defer mu.Unlock()
				if len(texts) == 0 && name != "discovery broken" {
					t.Error("nothing is logged")
				}
				for _, text := range append(texts, s.Reason, s.LastError) {
					if strings.Contains(text, "a-token") || strings.Contains(text, "\n") || strings.Contains(text, `\n`) {
						t.Errorf("shown: %s", text)
					}
				}
			})
		})
	}
}

// TestShown: without a session, too, it is one line of bounded length.
func TestShown(t *testing.T) {
	if got := shown(errors.New("a\nb\x00é")); got != "a b é" {
		t.Errorf("%q", got)
	}
	if got := shown(errors.New(strings.Repeat("é", redact.Longest))); len(got) > redact.Longest || !strings.HasSuffix(got, "é...") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}
