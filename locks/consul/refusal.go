package consul

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/fairlead-dev/fairlead/internal/endpoints"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/locks"
)

// errNoAnswer is that of a success that is none of Consul's.
var errNoAnswer = errors.New("the answer is not one of Consul; is there something else at that address?")

// stale is how Consul ends the message about a cas that has found another ModifyIndex,
// see its package agent/consul/state. It says the same of a key that is there although
// it should not, and of one that is not.
const stale = ", index is stale"

// advice is what to do about a message, by a part of it.
var advice = []struct{ part, do string }{
	{"ermission denied", "give the token a policy that lets it write this key"},
	{"ACL not found", "check the file with the token"},
	{"No cluster leader", "see that a majority of Consul's servers is up"},
	{"No path to datacenter", "check dc, and that its servers are up"},
}

// refusal returns the error of an answer that is no success. It is ErrChanged only if
// that, and nothing else, is why the transaction was not carried out.
func (r *register) refusal(a endpoints.Answer) error {
	message := a.Text()
	if a.Status == http.StatusConflict {
		var failed struct {
			Errors []struct {
				OpIndex int
				What    string
			}
		}
		if json.Unmarshal(a.Body, &failed) == nil && len(failed.Errors) > 0 {
			if e := failed.Errors; len(e) == 1 && e[0].OpIndex == 0 && strings.HasSuffix(e[0].What, stale) {
				return locks.ErrChanged
			}
			message = failed.Errors[0].What
		}
	}
	message = redact.Line(r.secrets.Clean(strings.TrimSpace(message)), redact.Longest)
	text := fmt.Sprintf("%s answers with status %d: %s", a.Host, a.Status, message)
	for _, known := range advice {
		if strings.Contains(message, known.part) {
			text += "; " + known.do
			break
		}
	}
	return errors.New(text)
}

// unfit reports whether another agent may answer better: one that knows no leader, or
// is something else than Consul. What is wrong with the request or the token is so at
// each.
func unfit(a endpoints.Answer) bool {
	switch a.Status {
	case http.StatusOK, http.StatusBadRequest, http.StatusForbidden, http.StatusConflict:
		return false
	case http.StatusNotFound:
		return a.Header.Get("X-Consul-Index") == ""
	}
	return true
}
