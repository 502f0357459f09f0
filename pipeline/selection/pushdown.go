package selection

// Selectors returns what of the expressions API servers can select themselves, as a
// label selector and a field selector. Each selects at least all that Match does.
func (p *Program) Selectors() (labels, fields string) { return "", "" }
