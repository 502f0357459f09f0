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

// tooLong are the tests that make test leaves out, for they take minutes.
const tooLong = "chaos with one NATS server, with a hub that fails over, and with all other faults beside those of each destination"

// Missing says in one line which tests make test leaves out, because they take long or one
// of the programs is not here, and how they are run.
func Missing() string {
	var names []string
	for _, p := range Programs {
		if _, err := p.Find(); err != nil {
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 {
		return fmt.Sprintf("not run: %s; make test-sinks runs them, which takes minutes", tooLong)
	}
	return fmt.Sprintf("not run: the tests that need %s, not built here, and %s; make test-sinks builds what is missing, which takes minutes, and runs them", strings.Join(names, " and "), tooLong)
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
