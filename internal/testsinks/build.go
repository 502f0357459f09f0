package testsinks

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testprogram"
	"github.com/fairlead-dev/fairlead/internal/testserver"
)

// RequireEnv names an environment variable: if it is set, a test that has no server to
// run against fails.
const RequireEnv = "FAIRLEAD_REQUIRE_SINK_SERVERS"

// target is what builds the programs.
const target = "make sink-servers"

// The modules that pin the programs.
var (
	//go:embed servers/versitygw.mod
	versityGWMod []byte
	//go:embed servers/versitygw.sum
	versityGWSum []byte
	//go:embed servers/otelcol.mod
	otelcolMod []byte
	//go:embed servers/otelcol.sum
	otelcolSum []byte
	//go:embed servers/otelcol.go.txt
	otelcolMain []byte
)

// VersityGW is a gateway that serves S3 from a folder (Apache-2.0).
var VersityGW = &testprogram.Program{
	Name: "versitygw", Env: "FAIRLEAD_VERSITYGW", Target: target,
	Mod: versityGWMod, Sum: versityGWSum,
	Module: "github.com/versity/versitygw", Package: "github.com/versity/versitygw/cmd/versitygw",
}

// Otelcol is the OpenTelemetry Collector (Apache-2.0) with a receiver of OTLP and an
// exporter to a file.
var Otelcol = &testprogram.Program{
	Name: "otelcol", Env: "FAIRLEAD_OTELCOL", Target: target,
	Mod: otelcolMod, Sum: otelcolSum, Main: otelcolMain, Module: "go.opentelemetry.io/collector/otelcol",
}

// Programs are all that are built.
var Programs = []*testprogram.Program{VersityGW, Otelcol}

// Missing says in one line which of the programs are not here, and how their tests are run.
// It is empty if all are.
func Missing() string {
	var names []string
	for _, p := range Programs {
		if _, err := p.Find(); err != nil {
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("not run: the tests that need %s, not built here; make test-sinks builds what is missing, which takes minutes, and runs them", strings.Join(names, " and "))
}

// find returns the path of a program, or ends the test.
func find(t testing.TB, p *testprogram.Program) string {
	t.Helper()
	path, err := p.Find()
	if err != nil {
		testserver.Missing(t, RequireEnv, err)
	}
	return path
}
