package app

import (
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// parseClusters returns what --clusters and the flags beside it describe.
func (c *Config) parseClusters(kinds []fleet.Kind) ([]fleet.Provider, error) {
	o := fleet.ParseOptions{Kinds: kinds, IncludeHub: string(c.IncludeHub), HubKubeconfig: c.HubKubeconfig, AccessProviders: c.AccessProviders}
	return o.Parse(c.Clusters)
}

// loadHub says how to reach the hub, or returns nil if nothing needs it.
func (s *settings) loadHub() (*rest.Config, error) {
	if !(s.LeaderElect && (s.lock.NeedsHub || s.LeaderLabel != "")) && !fleet.NeedsHub(s.providers) && s.MemberStatus == "" {
		return nil, nil
	}
	hub, err := fleet.LoadHub(s.HubKubeconfig)
	if err != nil {
		return nil, err
	}
	hub.UserAgent = s.userAgent()
	return hub, nil
}
