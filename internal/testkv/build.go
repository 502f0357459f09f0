package testkv

import (
	_ "embed"

	"github.com/fairlead-dev/fairlead/internal/testprogram"
)

// The module that pins Consul.
var (
	//go:embed servers/consul.mod
	consulMod []byte
	//go:embed servers/consul.sum
	consulSum []byte
)

// Consul is the Consul that tests run: of the last series of versions that are open
// source.
var Consul = &testprogram.Program{
	Name: "consul", Env: "FAIRLEAD_CONSUL", Target: "make consul",
	Mod: consulMod, Sum: consulSum, Module: "github.com/hashicorp/consul", Package: "github.com/hashicorp/consul",
}
