package page

import (
	"net/http"
	"net/http/httptest"
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
