package etcd

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/fairlead-dev/fairlead/internal/endpoints"
	"github.com/fairlead-dev/fairlead/internal/redact"
)

// The codes of gRPC that are told apart, see google.golang.org/grpc/codes.
const (
	invalidArgument  = 3
	permissionDenied = 7
	unauthenticated  = 16
)

// refused is an answer that is no success. None of them is an outcome: only a
// transaction that has compared says that the key has changed.
type refused struct {
	host    string
	code    int    // of gRPC; 0: the answer has none
	message string // fit to be shown
}

// advice is what to do about a message, by a part of it. The messages are those of
// go.etcd.io/etcd/api/v3/v3rpc/rpctypes.
var advice = []struct{ part, do string }{
	{"invalid user ID or password", "check the user and the file with its password"},
	{"user name is empty", "etcd has authentication enabled; give a user and a file with its password"},
	{"authentication is not enabled", "leave out the user and the file with its password, or enable authentication"},
	{"permission denied", "grant the user's role to read and write this key"},
	{"CommonName of client", "show a client certificate without a common name: etcd's gateway refuses others while authentication is enabled"},
	{"database space exceeded", "compact and defragment etcd, and disarm its alarm"},
	{"not supported for learner", "name voting members only"},
	{"no leader", "see that a majority of etcd's members is up"},
	{"request timed out", "see that a majority of etcd's members is up"},
	{"corrupt cluster", "etcd has found its data corrupt, and has to be repaired"},
	{"too many requests", "etcd is overloaded"},
}

func (e *refused) Error() string {
	text := e.host + ": " + e.message
	for _, a := range advice {
		if strings.Contains(e.message, a.part) {
			return text + "; " + a.do
		}
	}
	return text
}

// decode reads what the gateway says of a request that it did not carry out.
func decode(a endpoints.Answer) (code int, message string) {
	var status struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(a.Body, &status) == nil && status.Code > 0 {
		return status.Code, status.Message
	}
	return 0, a.Text()
}

// refusal returns the error of an answer that is no success.
func (s *session) refusal(a endpoints.Answer) error {
	code, message := decode(a)
	message = redact.Line(s.secrets.Clean(message), redact.Longest)
	if code == 0 && a.Status == http.StatusNotFound {
		message = "no JSON gateway is there; name a client port of etcd 3.4 or later, and start it without --enable-grpc-gateway=false"
	} else if code == 0 {
		message = fmt.Sprintf("it answers with status %d: %s", a.Status, message)
	}
	return &refused{host: a.Host, code: code, message: message}
}

// needsToken reports whether a request was refused because of its token: one that
// etcd does not know (any more), or of before the rights were changed.
func needsToken(err error) bool {
	var e *refused
	return errors.As(err, &e) && (e.code == unauthenticated ||
		e.code == invalidArgument && (strings.Contains(e.message, "revision of auth store is old") || strings.Contains(e.message, "user name is empty")))
}

// unfit reports whether another member may answer better: one that has no leader, is a
// learner, stops, or is something else than etcd. What is wrong with the request or the
// user is so at each.
func unfit(a endpoints.Answer) bool {
	if a.Status == http.StatusOK {
		return false
	}
	code, _ := decode(a)
	return code != invalidArgument && code != permissionDenied && code != unauthenticated
}
