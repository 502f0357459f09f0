package hub

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/internal/testpages"
)

var (
	getRecords = regexp.MustCompile(`(?m)^kubectl get records -n fairlead-records(.*)$`)
	selectors  = regexp.MustCompile(`(-l|--field-selector) ('[^']*'|\S+)`)
	shownError = regexp.MustCompile("(?m)^\\| `([a-z][^`]*)` \\|")
)

const thePage = "../../docs/sinks/hub.md"

func readPage(t *testing.T) string {
	t.Helper()
	return testpages.Read(t, thePage).Text()
}

// Nothing installs the component of a version that is not published.
func TestPage(t *testing.T) {
	testpages.Prove(t, thePage, map[string]testpages.Proof{
		"$ kubectl get records ": testpages.By(".", "testPage"),
		"components:":            nil,
		"kubectl --context hub ": testpages.By("../../cmd/internal/app", "TestCommandsOfPages"),
		"# What is there ":       testpages.By(".", "testPage"),
		"kubectl delete crd ":    testpages.By(".", "testPage"),
	})
}

// What the page asks finds something of a fleet that has it.
func testPage(t *testing.T, c *testenv.Cluster, ns string) {
	s := open(t, c.Config(), ns)
	checkout, prices := state("checkout", 1), gone("prices", 1)
	checkout.Key.Cluster, prices.Key.Cluster, checkout.Key.Resource = "paris", "paris", "deployments.apps"
	write(t, s, checkout, prices)
	commands := getRecords.FindAllStringSubmatch(readPage(t), -1)
	if len(commands) < 4 {
		t.Fatalf("the page shows %d commands", len(commands))
	}
	for _, command := range commands {
		query := url.Values{}
		for _, selector := range selectors.FindAllStringSubmatch(command[1], -1) {
			query.Set(map[string]string{"-l": "labelSelector", "--field-selector": "fieldSelector"}[selector[1]], strings.Trim(selector[2], "'"))
		}
		var found struct{ Items []record }
		if err := json.Unmarshal(ask(t.Context(), t, s, http.MethodGet, s.path(""), "", "", query), &found); err != nil {
			t.Fatal(err)
		}
		if len(query) == 0 || len(found.Items) != 1 {
			t.Errorf("%s: asks %v, finds %d records, want one", command[0], query, len(found.Items))
		}
	}
	// What takes all of it away could do that.
	away := testpages.Commands(testpages.Read(t, thePage).Part("## Take it away").Blocks()[0].Text)[0]
	if strings.Join(away[:len(away)-1], " ") != "kubectl delete crd" {
		t.Fatalf("the page says %v", away)
	}
	ask(t.Context(), t, s, http.MethodDelete, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"+away[len(away)-1], "", "", url.Values{"dryRun": {"All"}})
}

// Errors that the page explains are errors of this package, by their texts.
func TestPageQuotesErrors(t *testing.T) {
	text := readPage(t)
	_, table, _ := strings.Cut(text, "## When it fails")
	var source strings.Builder
	for _, file := range []string{"errors.go", "install.go", "check.go", "encode.go", "write.go", "../../internal/apiclient/kubeconfig.go", "../../pipeline/sink.go"} {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(code)
	}
	quoted := shownError.FindAllStringSubmatch(table, -1)
	if len(quoted) < 10 {
		t.Fatalf("the page explains %d errors", len(quoted))
	}
	for _, e := range quoted {
		beginning, _, _ := strings.Cut(e[1], "...")
		beginning = strings.TrimSuffix(strings.ReplaceAll(beginning, crdName, "%s"), " ")
		if !strings.Contains(source.String(), beginning) {
			t.Errorf("no error says %q", e[1])
		}
	}
}
