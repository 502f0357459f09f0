package page

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// unread is a reader that takes nothing of its answer until it is let go.
type unread struct {
	*httptest.ResponseRecorder
	writes, letGo chan struct{}
}

func (u unread) Write(b []byte) (int, error) {
	u.writes <- struct{}{}
	<-u.letGo
	return len(b), nil
}

// Readers that do not read keep nobody from a page, and who has to wait for too long is
// told so.
func TestReadersThatDoNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPage(t, func(now time.Time) api.Status { return fleetOf(3, now) })
		u := unread{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
		for range 2 * mostAtOnce {
			go p.Handler().ServeHTTP(unread{httptest.NewRecorder(), u.writes, u.letGo}, httptest.NewRequest(http.MethodGet, "/status", nil))
			<-u.writes
		}
		began := time.Now()
		answered(t, p, "/status", http.StatusOK)
		if waited := time.Since(began); waited > 0 {
			t.Errorf("it waited for %v", waited)
		}
		close(u.letGo)
		for range mostAtOnce {
			p.making <- struct{}{}
		}
		resp := ask(t, p, "/status")
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || time.Since(began) != patience {
			t.Errorf("while pages take their time: %s after %v", resp.Status, time.Since(began))
		}
	})
}

// Explanations that take their time keep nobody from a page; to show one is work like another
// page's, and waits for its turn.
func TestExplanationsWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		p := newTestPage(t, func(now time.Time) api.Status { return fleetOf(3, now) })
		p.opts.Explain = func(*http.Request) (int, any) {
			<-letGo
			return http.StatusOK, map[string]string{"why": "because"}
		}
		const path = "/status/object?cluster=c&resource=pods&name=x"
		said := make(chan *http.Response)
		for range 2 * mostAtOnce {
			go func() { said <- ask(t, p, path) }()
		}
		synctest.Wait()
		answered(t, p, "/status", http.StatusOK)
		for range mostAtOnce {
			p.making <- struct{}{}
		}
		close(letGo)
		for range 2 * mostAtOnce {
			if resp := <-said; resp.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("while pages take their time: %s", resp.Status)
			}
		}
		<-p.making
		if !strings.Contains(answered(t, p, path, http.StatusOK), "because") {
			t.Error("the page does not tell why")
		}
	})
}

// Browsers and servers take . and .. out of paths: the pages of clusters that are called so have
// other addresses, and the table links to these.
func TestPagesOfDots(t *testing.T) {
	names := []string{".", ".."}
	p := newTestPage(t, func(time.Time) api.Status {
		var s api.Status
		for _, name := range names {
			s.Clusters = append(s.Clusters, api.Cluster{Name: name})
			s.Sinks = append(s.Sinks, api.Sink{Name: name})
		}
		return s
	})
	server := httptest.NewServer(p.Handler())
	defer server.Close()
	table := answered(t, p, "/status/clusters", http.StatusOK)
	for _, name := range names {
		address := addressOf("clusters", "cluster", name)
		if !strings.Contains(table, `href="`+address+`"`) {
			t.Errorf("the table has no link to %s", address)
		}
		for _, path := range []string{address, addressOf("routes", "route", name)} {
			base, err := url.Parse(server.URL + "/status/clusters")
			if err != nil {
				t.Fatal(err)
			}
			target, err := base.Parse(path) // as a browser resolves it
			if err != nil {
				t.Fatal(err)
			}
			resp, err := server.Client().Get(target.String())
			if err != nil {
				t.Fatal(err)
			}
			if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK || resp.Request.URL.Path != "/status/cluster" && resp.Request.URL.Path != "/status/route" {
				t.Errorf("%s: %s at %s", path, resp.Status, resp.Request.URL)
			}
		}
	}
}
