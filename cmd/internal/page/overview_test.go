package page

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// Who delivers nothing does not say that nothing is wrong.
func TestWhoDoesNotDeliverDoesNotCallItWell(t *testing.T) {
	for want, change := range map[string]func(*api.Status){
		"Nothing.":                  func(*api.Status) {},
		"Nothing is delivered yet.": func(s *api.Status) { s.Sinks = nil },
		"The settings change, and nothing is delivered meanwhile.": func(s *api.Status) { s.Config = &api.Config{ChangingSince: time.Now()} },
		"the leader does.": func(s *api.Status) {
			s.Sinks, s.Election = nil, &api.Election{Role: "follower", Leader: "other"}
		},
	} {
		p := newTestPage(t, func(now time.Time) api.Status {
			s := fleetOf(1, now)
			s.Sinks = s.Sinks[:1] // the other one fails
			change(&s)
			return s
		})
		html := answered(t, p, "/status", http.StatusOK)
		_, problems, _ := strings.Cut(html, `id="problems"`)
		problems, _, _ = strings.Cut(problems, "</section>")
		if well := strings.Contains(problems, `class="well"`); !strings.Contains(words(problems), want) || well != (want == "Nothing.") {
			t.Errorf("want %q, and well only if nothing is wrong: %s", want, problems)
		}
		if delivers := want != "Nothing is delivered yet." && want != "the leader does."; strings.Contains(html, "can be written") != delivers {
			t.Errorf("%q: what it says of its ledger is not known", want)
		}
	}
}
