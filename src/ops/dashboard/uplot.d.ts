// The server hands out uPlot's own module under this name: a browser resolves no bare package names.
import uPlot from 'uplot'

export default uPlot
