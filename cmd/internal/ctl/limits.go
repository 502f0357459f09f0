package ctl

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// limitFlags are the flags that change limits.
var limitFlags = []string{"qps", "burst", "weight", "reset", "for"}

// NewLimits returns the command limits.
func NewLimits() *cobra.Command {
	var c Client
	var out Output
	var t target
	var o order
	var qps float64
	var burst, weight int
	var reset bool
	cmd := &cobra.Command{
		Use:   "limits [CLUSTER | --stream CLUSTER/RESOURCE | --route NAME]",
		Short: "Show limits of a running program, or change them for a while",
		Long: "Shows how fast a cluster may deliver to each sink: as it is declared, by flags or by what\n" +
			"describes the cluster, and as it is. With one of the limits it changes that at once, until\n" +
			"--reset or the time is over: over restarts, changed settings and another leader.\n\n" +
			"A stream, which is one resource of a cluster, and a route, which is the way of everything\n" +
			"to one sink, have no limits unless they are given some here. That of a stream bounds what\n" +
			"is read of it, for all sinks together; that of a route what is delivered to its sink. What\n" +
			"is read from lists counts in both. A change keeps to all limits that it is under, and what\n" +
			"has used up its own holds up nothing else: not the rest of the cluster, and no other sink.\n\n" +
			"Without a cluster, a stream or a route it shows all limits that somebody has set.",
		Example: "  fairlead limits\n" +
			"  fairlead limits edge-1\n" +
			"  fairlead limits edge-1 --qps 20 --for 1h --reason 'the database is slow'\n" +
			"  fairlead limits --stream edge-1/events --qps 5\n" +
			"  fairlead limits --route postgres://db:5432/fleet --qps 100 --for 2h\n" +
			"  fairlead limits edge-1 --reset",
		Args: atMost(1, "run it once for each cluster"),
		RunE: func(cmd *cobra.Command, args []string) error {
			given := cmd.Flags().Changed
			if err := errors.Join(notEmpty(cmd.Flags(), "stream", "route"), checkLimits(given, qps, burst, weight, reset)); err != nil {
				return Unasked(err)
			}
			if len(args) > 0 && strings.TrimSpace(args[0]) == "" {
				return Unasked(errors.New("the name of the cluster is empty"))
			}
			if len(args) == 0 && t == (target{}) && o == (order{}) && !slices.ContainsFunc(limitFlags, given) {
				var all api.LimitsOrders
				if err := c.Get(cmd.Context(), cmd.ErrOrStderr(), "/limits", nil, &all); err != nil {
					return err
				}
				return out.Print(cmd.OutOrStdout(), ordersTable(all.Orders), all)
			}
			q, err := t.query(args)
			if err != nil {
				return err
			}
			if given("qps") {
				q.Set("qps", strconv.FormatFloat(qps, 'g', -1, 64))
			}
			if given("burst") {
				q.Set("burst", strconv.Itoa(burst))
			}
			if given("weight") {
				q.Set("weight", strconv.Itoa(weight))
			}
			if reset {
				q.Set("reset", "true")
			}
			var l api.Limits
			if len(q) == 1 && o == (order{}) && !given("for") {
				err = c.Get(cmd.Context(), cmd.ErrOrStderr(), "/limits", q, &l)
			} else {
				if err := o.add(cmd, &c, q); err != nil {
					return err
				}
				if err := out.check(limitsColumns); err != nil {
					return err
				}
				err = c.Post(cmd.Context(), cmd.ErrOrStderr(), "/limits", q, storedWithin, &l, http.StatusOK, http.StatusAccepted)
			}
			if err != nil {
				return err
			}
			if err := out.Print(cmd.OutOrStdout(), limitsTable(&l), l); err != nil {
				return err
			}
			return notStored(l.NotStored)
		},
	}
	f := cmd.Flags()
	t.addFlags(f)
	f.Float64Var(&qps, "qps", 0, "changes per second to each sink; 0 is no limit")
	f.IntVar(&burst, "burst", 0, "changes at once after a rest")
	f.IntVar(&weight, "weight", 0, "turns per round of a cluster, where others have one")
	f.BoolVar(&reset, "reset", false, "go back to what is declared")
	o.addFlags(f)
	c.AddFlag(f)
	out.AddFlags(f)
	c.completeFlags(cmd)
	cmd.ValidArgsFunction = c.CompleteCluster
	return cmd
}

// checkLimits refuses what no program would take.
func checkLimits(given func(flag string) bool, qps float64, burst, weight int, reset bool) error {
	var errs []error
	if qps < 0 || math.IsNaN(qps) || math.IsInf(qps, 0) {
		errs = append(errs, fmt.Errorf("--qps %v: give changes per second, or 0 for no limit", qps))
	}
	for _, count := range []struct {
		flag string
		n    int
	}{{"burst", burst}, {"weight", weight}} {
		if given(count.flag) && count.n < 1 {
			errs = append(errs, fmt.Errorf("--%s %d: give a whole number from 1 on", count.flag, count.n))
		}
	}
	if reset && (given("qps") || given("burst") || given("weight")) {
		errs = append(errs, errors.New("--reset takes all limits away that were set; give no others with it"))
	}
	return errors.Join(errs...)
}

// ordersTable has a row for each order of limits.
func ordersTable(all []api.LimitsOrder) Table {
	t := Table{Columns: []Column{{Name: "OF"}, {Name: "QPS"}, {Name: "BURST"}, {Name: "WEIGHT"}, {Name: "UNTIL"}, {Name: "BY"}, {Name: "REASON"}}}
	count := func(n *int) string {
		if n == nil {
			return "-"
		}
		return strconv.Itoa(*n)
	}
	for i := range all {
		l := &all[i]
		qps := "-"
		if l.QPS != nil {
			qps = numberOrNone(*l.QPS)
		}
		t.Rows = append(t.Rows, []string{l.String(), qps, count(l.Burst), count(l.Weight), until(l.Until), l.By, l.Reason})
	}
	return t
}

var limitsColumns = []Column{{Name: "LIMIT"}, {Name: "DECLARED"}, {Name: "DECLARED BY"}, {Name: "EFFECTIVE"}, {Name: "BY"}, {Name: "UNTIL"}, {Name: "REASON"}}

func limitsTable(l *api.Limits) Table {
	t := Table{Columns: limitsColumns}
	row := func(name string, of api.Limit, ordered bool, text func(float64) string) {
		by, end, reason := of.DeclaredBy, "-", "-"
		if ordered {
			by, end, reason = l.Order.By, until(l.Order.Until), l.Order.Reason
		}
		t.Rows = append(t.Rows, []string{name, text(of.Declared), of.DeclaredBy, text(of.Effective), by, end, reason})
	}
	plain := func(n float64) string { return fmt.Sprint(n) }
	burst := func(n float64) string {
		if n == 0 && !l.IsCluster() {
			return "-" // one second's worth
		}
		return plain(n)
	}
	o := l.Order
	row("qps", l.QPS, o != nil && o.QPS != nil, numberOrNone)
	row("burst", l.Burst, o != nil && o.Burst != nil, burst)
	if l.IsCluster() {
		row("weight", l.Weight, o != nil && o.Weight != nil, plain)
	}
	return t
}
