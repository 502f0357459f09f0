package app

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// lateRecords are records in a namespace of a hub.
type lateRecords struct {
	t         *testing.T
	hub       *testenv.Cluster
	client    *http.Client
	namespace string
}

// startLateRecords has the cluster be the hub too, which is reached over another line than
// it is as a member.
func startLateRecords(t *testing.T, c *testenv.Cluster) *comparing {
	r := &lateRecords{t, c, must(rest.HTTPClientFor(c.Config()))(t), c.NewNamespace(t)}
	t.Cleanup(r.client.CloseIdleConnections)
	at := must(url.Parse(c.URL()))(t)
	line, listens := lineTo(t, at.Host)
	config := rest.CopyConfig(c.Config())
	config.Host = "https://" + listens
	return &comparing{
		sink:  "hub:" + r.namespace + "?install=true&qps=0&kubeconfig=" + writeKubeconfig(t, as{c, config}),
		line:  line,
		marks: r.marks,
		arrival: func() func() bool {
			before := r.answers("")
			return func() bool { return r.answers("") > before }
		},
		refused: func() int { return r.answers(strconv.Itoa(http.StatusUnprocessableEntity)) },
	}
}

// marks are those of all records. There is no such resource before the first write.
func (r *lateRecords) marks() map[string]lateMark {
	r.t.Helper()
	code, body := r.get("/apis/records.fairlead.dev/v1alpha1/namespaces/" + r.namespace + "/records")
	if code == http.StatusNotFound {
		return nil
	}
	var list struct {
		Items []struct {
			Spec struct{ Name, Term, ResourceVersion string }
		}
	}
	if err := json.Unmarshal(body, &list); err != nil || code != http.StatusOK {
		r.t.Fatalf("list the records: %d, %v: %.300s", code, err, body)
	}
	all := map[string]lateMark{}
	for _, item := range list.Items {
		all[item.Spec.Name] = lateMark{item.Spec.Term, item.Spec.ResourceVersion}
	}
	return all
}

// aCount is a sample of what the API server counts of its answers.
var aCount = regexp.MustCompile(`(?m)^apiserver_request_total\{([^}]*)\} (\S+)$`)

// answers returns how many writes of records the hub has answered, with that status; empty:
// with any. The rules of their CRD refuse with 422.
func (r *lateRecords) answers(status string) (n int) {
	r.t.Helper()
	code, body := r.get("/metrics")
	if code != http.StatusOK {
		r.t.Fatalf("read the metrics of the hub: %d: %.300s", code, body)
	}
	for _, sample := range aCount.FindAllStringSubmatch(string(body), -1) {
		labels := sample[1]
		if strings.Contains(labels, `resource="records"`) && strings.Contains(labels, `code="`+status) && (strings.Contains(labels, `verb="PATCH"`) || strings.Contains(labels, `verb="POST"`)) {
			n += int(must(strconv.ParseFloat(sample[2], 64))(r.t))
		}
	}
	return n
}

func (r *lateRecords) get(path string) (code int, body []byte) {
	r.t.Helper()
	request := must(http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.hub.URL()+path, nil))(r.t)
	answer, err := r.client.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode, must(io.ReadAll(answer.Body))(r.t)
}
