package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// reviewed is a session with a server that answers a review of rules with what is given, and counts
// reviews of a single right, which it denies.
func reviewed(t *testing.T, answer http.HandlerFunc) (s *member.Session, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	s = session(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/selfsubjectrulesreviews") {
			answer(w, r)
			return
		}
		asked.Add(1)
		_, _ = fmt.Fprint(w, `{"status":{"allowed":false,"reason":"a webhook says no"}}`)
	})
	config := &rest.Config{Host: s.Server.String(), QPS: -1}
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	calls, err := rest.UnversionedRESTClientForConfigAndClient(config, &http.Client{Transport: s.CallTransport})
	if err != nil {
		t.Fatal(err)
	}
	s.Calls = calls
	return s, asked
}

func followed(n int) []Followed {
	all := make([]Followed, n)
	for i := range all {
		all[i].GroupResource = schema.GroupResource{Resource: fmt.Sprint("r", i)}
	}
	return all
}

// What a member lists as allowed is believed, unless it says that there is more to know.
func TestRulesThatAreIncomplete(t *testing.T) {
	for incomplete, want := range map[bool]int{false: 0, true: most} {
		s, asked := reviewed(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"status":{"incomplete":%t,"resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}]}}`, incomplete)
		})
		var p api.MemberProbe
		Rights(t.Context(), Question{Session: s, Followed: followed(most + 7)}, &p)
		if more := map[bool]int{true: 7}[incomplete]; p.Error != "" || len(p.Denied) != want || p.Unasked != more || asked.Load() != int64(2*want) {
			t.Errorf("incomplete %t: asked %d times, %d are denied and %d were not asked: %s", incomplete, asked.Load(), len(p.Denied), p.Unasked, p.Error)
		}
	}
}

// A member that answers with more than is read, or with more rules, is asked one by one, as one that
// does not tell.
func TestTooManyRules(t *testing.T) {
	const all = `{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}`
	for name, answer := range map[string]http.HandlerFunc{
		"bytes": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprint(w, `{"status":{"resourceRules":[`+all+`]},"x":"`)
			_, _ = fmt.Fprint(w, strings.Repeat("x", mostReview)+`"}`)
		},
		"rules": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprint(w, `{"status":{"resourceRules":[`+all+strings.Repeat(",{}", mostRules)+`]}}`)
		},
		"none": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprint(w, `{"status":{"resourceRules":null}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, asked := reviewed(t, answer)
			var p api.MemberProbe
			Rights(t.Context(), Question{Session: s, Followed: followed(most + 7)}, &p)
			if p.Error != "" || len(p.Denied) != most || p.Unasked != 7 || asked.Load() != 2*most {
				t.Errorf("asked %d times, %d are denied and %d were not asked: %s", asked.Load(), len(p.Denied), p.Unasked, p.Error)
			}
		})
	}
	var many ruleList
	if err := json.Unmarshal([]byte(`[{}`+strings.Repeat(",{}", mostRules)+`]`), &many); err == nil || len(many) > mostRules {
		t.Errorf("%d rules are read: %v", len(many), err)
	}
}

// Once the time is over, nobody is asked.
func TestRightsThatAreAskedLate(t *testing.T) {
	s, asked := reviewed(t, func(http.ResponseWriter, *http.Request) { t.Error("it is asked for rules") })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var p api.MemberProbe
	Rights(ctx, Question{Session: s, Followed: followed(most + 7)}, &p)
	if p.Error == "" || asked.Load() != 0 {
		t.Errorf("asked %d times: %q", asked.Load(), p.Error)
	}
}
