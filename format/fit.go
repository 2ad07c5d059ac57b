package format

const (
	// comfortable is the width that a column may keep while wider ones shrink.
	comfortable = 24
	// narrowest is how far the last column shrinks before it goes.
	narrowest = 8
)

// fit cuts lines, the first of them the header, so that none is wider than limit. Very
// wide columns shrink first; when that is not enough, the last column shrinks and then
// goes, as PowerShell has it: what stands on the left identifies.
func fit(lines [][]string, limit int) [][]string {
	room := widths(lines)
	for excess := total(room) - limit; excess > 0; excess-- {
		widest := 0
		for i := range room {
			if room[i] > room[widest] {
				widest = i
			}
		}
		if room[widest] <= comfortable {
			break
		}
		room[widest]--
	}
	for n := len(room); n > 1; n-- {
		excess := max(0, total(room[:n])-limit)
		if last := &room[n-1]; *last-excess >= min(*last, narrowest) {
			*last -= excess
			return cut(lines, room[:n])
		}
	}
	return cut(lines, []int{min(room[0], limit)})
}

// total is the width of a line with these columns.
func total(room []int) int {
	sum := 0
	for i, w := range room {
		sum += w
		if i+1 < len(room) {
			sum += gapAfter(i)
		}
	}
	return sum
}

// widths returns the width that each column needs.
func widths(lines [][]string) []int {
	need := make([]int, len(lines[0]))
	for _, cells := range lines {
		for i, cell := range cells {
			need[i] = max(need[i], Width(cell))
		}
	}
	return need
}

// cut returns lines with only the columns of room, none wider than it says.
func cut(lines [][]string, room []int) [][]string {
	out := make([][]string, len(lines))
	for i, cells := range lines {
		out[i] = make([]string, len(room))
		for j, width := range room {
			out[i][j] = Truncate(cells[j], width)
		}
	}
	return out
}
