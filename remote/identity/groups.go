package identity

import (
	"context"
	"strconv"
	"strings"
)

// GroupNames returns the names of the account's groups. One without a name is left out.
func (a *Account) GroupNames(ctx context.Context) (names []string) {
	for _, gid := range a.Groups {
		line, err := database(ctx, "group", strconv.FormatUint(uint64(gid), 10))
		if err != nil {
			continue
		}
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	return names
}
