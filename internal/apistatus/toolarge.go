package apistatus

import (
	"net/http"
	"strings"
)

// tooLargeRequests is how API servers say that etcd does not take an object: etcd itself
// ([rpctypes.ErrRequestTooLarge], 1.5 MiB unless it is told otherwise), and the API
// server's client of it, which sends no more than 2 MiB.
//
// [rpctypes.ErrRequestTooLarge]: https://pkg.go.dev/go.etcd.io/etcd/api/v3/v3rpc/rpctypes
var tooLargeRequests = []string{"etcdserver: request is too large", "trying to send message larger than max"}

// IsTooLarge reports whether err, of a request made with client-go, says that an object
// is too large to be stored: 413, whoever says so, or an API server's 500 about etcd.
func IsTooLarge(err error) bool {
	answer := Of(err)
	if answer.Code == http.StatusRequestEntityTooLarge {
		return true
	}
	if answer.Code != http.StatusInternalServerError || !ByKubernetes(err) {
		return false
	}
	for _, text := range tooLargeRequests {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}
