// SPDX-License-Identifier: MIT
// The page's script. Data come from the script elements data-summary, data-sets and data-places; every name becomes a
// text node, never markup. Sets are arrays: see sink_html.c.
"use strict";
(() => {
const $ = id => document.getElementById(id);
const data = name => JSON.parse($("data-" + name).textContent);
const summary = data("summary"), sets = data("sets"), places = data("places");
const PAGE = 50, PREVIEW = 3, COLOURS = 5;
// The map, in pixels as in page.css: folders shown inside of folders, the room that takes, and what a tile keeps for its own name and edge.
const NESTED = 2, ROOM_WIDE = 90, ROOM_HIGH = 50, HEAD = 24, FRAME = 4;
// Below so many square pixels folders share a tile; below such sides a tile has no percentage, small letters, no size, no words.
const TILE = 2000, NARROW = 130, SMALL = 80, LOW = 36, EMPTY = 15;
const FATES = ["kept", "would be linked", "linked", "left"];
const FREED = 1, SIZE = 0, NAMES = 2, FIRST = 3, EACH = 4;

// ---- words

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
function size(bytes) {
	if (bytes < 1024)
		return bytes + " B";
	let unit = -1;
	do {
		bytes /= 1024;
		unit++;
	} while (bytes >= 1023.95 && unit < UNITS.length - 1);
	return bytes.toFixed(1) + " " + UNITS[unit];
}
const grouped = new Intl.NumberFormat("en-US");
const count = (n, one, many) => grouped.format(n) + " " + (n === 1 ? one : many);
const percent = (part, all) => !all ? "" : part && part * 200 < all ? "<1%" : Math.round(part * 100 / all) + "%";
function day(seconds) {
	const date = new Date(seconds * 1000);
	return isNaN(date) ? "" : date.toISOString().slice(0, 10);
}

// ---- elements

function make(tag, properties, ...children) {
	const element = document.createElement(tag);
	for (const [key, value] of Object.entries(properties || {})) {
		if (key in element)
			element[key] = value;
		else
			element.setAttribute(key, value);
	}
	element.append(...children);
	return element;
}
const name = text => make("bdi", {}, text);

// ---- head

function head() {
	const verb = summary.dry ? "would be saved" : "saved";
	const saved = size(summary.bytes_saved);
	$("title").textContent = saved + " " + verb;
	document.title = saved + " " + verb + " \u2013 dedupe-link";
	const about = $("about");
	about.append(summary.dry ? "A dry run below " : "A run below ");
	summary.paths.forEach((path, i) => about.append(i ? ", " : "", name(path)));
	about.append(", " + new Date(summary.when * 1000).toLocaleString() + ", " +
		     (summary.duration_ns / 1e9).toFixed(1) + " s.");
	if (!summary.complete)
		about.append(make("strong", {className: "warning"}, " It did not come to its end: the figures are of what was done until then."));
	const figures = [
		[summary.dry ? "Would be saved" : "Saved", saved, count(summary.inodes_freed, "file less", "files less")],
		["Names " + (summary.dry ? "to be linked" : "linked"), grouped.format(summary.links_made),
		 "in " + count(summary.sets, "set", "sets")],
		["Looked at", size(summary.bytes_seen),
		 count(summary.files_seen, "file", "files") + " in " + count(summary.dirs_seen, "directory", "directories")],
	];
	if (summary.bytes_held_elsewhere)
		figures.push(["Still held", size(summary.bytes_held_elsewhere), "by links outside the paths"]);
	if (summary.errors)
		figures.push(["Errors", grouped.format(summary.errors), "see the end of this page"]);
	for (const [label, value, more] of figures)
		$("figures").append(make("div", {}, make("dt", {}, label), make("dd", {}, make("b", {}, value), more)));
}

// ---- the map

const folders = (summary.folders || []).map(([text, parent, all, own, names]) =>
	({text, parent, all, own, names, parts: []}));
const top = {text: "All", parent: null, all: summary.bytes_saved, own: 0, names: summary.links_made, parts: []};
for (const folder of folders) {
	folder.above = folder.parent < 0 ? top : folders[folder.parent];
	folder.above.parts.push(folder);
}
for (const folder of [top, ...folders])
	folder.parts.sort((a, b) => b.all - a.all);
// Folders that hold nothing but one another are one step of the way.
function foot(folder) {
	while (folder.parts.length === 1 && folder.parts[0].all === folder.all)
		folder = folder.parts[0];
	return folder;
}
const root = foot(top);
let here = root;

// Its name, and those of the folders that are one step with it.
function wayDown(folder) {
	let text = folder.text;
	for (const end = foot(folder); folder !== end; text += "/" + folder.text)
		folder = folder.parts[0];
	return text;
}

// The first of the folders that are one step with it, and the one that the map shows above them.
function firstOf(folder) {
	while (folder.above !== root && foot(folder.above) === foot(folder))
		folder = folder.above;
	return folder;
}
const above = folder => firstOf(folder).above;

function inside(folder, outer) {
	while (folder && folder !== outer)
		folder = folder.above;
	return folder === outer;
}

function path(folder) {
	if (folder === top || folder.above === top)
		return folder.text;
	const above = path(folder.above);
	return above.endsWith("/") ? above + folder.text : above + "/" + folder.text;
}

// Tiles as square as may be: rows are filled along the shorter side while that makes them squarer.
function layout(tiles, left, upper, width, height, put) {
	let rest = tiles.reduce((sum, tile) => sum + tile.bytes, 0);
	for (let i = 0; i < tiles.length;) {
		const along = Math.min(width, height), scale = width * height / rest;
		let row = 0, end = i, worst = Infinity;
		for (; end < tiles.length; end++) {
			const next = row + tiles[end].bytes, deep = next * scale / along;
			const sides = [tiles[i].bytes, tiles[end].bytes].map(b => b * scale / deep / deep);
			const shape = Math.max(...sides.map(s => Math.max(s, 1 / s)));
			if (shape > worst)
				break;
			worst = shape;
			row = next;
		}
		const deep = row * scale / along;
		for (let at = 0; i < end; i++) {
			const length = tiles[i].bytes * scale / deep;
			if (width >= height)
				put(tiles[i], left, upper + at, deep, length);
			else
				put(tiles[i], left + at, upper, length, deep);
			at += length;
		}
		if (width >= height) {
			left += deep;
			width -= deep;
		} else {
			upper += deep;
			height -= deep;
		}
		rest -= row;
	}
}

function tilesOf(folder, area) {
	const least = folder.all * TILE / area, large = folder.parts.filter(part => part.all >= least);
	const shown = large.length + 1 >= folder.parts.length ? folder.parts : large;
	const tiles = shown.map(part => ({part, bytes: part.all, text: wayDown(part)}));
	const rest = folder.all - folder.own - shown.reduce((sum, part) => sum + part.all, 0);
	if (folder.own > 0)
		tiles.push({bytes: folder.own, text: "files right here"});
	tiles.sort((a, b) => b.bytes - a.bytes);
	if (rest > 0)
		tiles.push({bytes: rest, text: "smaller folders"});
	return tiles;
}

// A tile is an item of a tree (WAI-ARIA): what it says is in its label, the words on it are for the eye.
function makeTile(tile, place, width, height) {
	const share = size(tile.bytes) + ", " + percent(tile.bytes, top.all);
	const words = make("div", {ariaHidden: "true", title: tile.text + ": " + share});
	const box = make("li", {role: "treeitem", tabIndex: -1, className: place.w < SMALL ? "small" : ""}, words);
	box.setAttribute("aria-label", tile.text + ", " + share + (tile.part ? ", " + count(tile.part.names, "name", "names") : ""));
	if (place.h >= EMPTY && place.w >= EMPTY)
		words.append(make("b", {}, name(tile.text)));
	if (place.h >= LOW)
		words.append(" ", make("i", {}, place.w < NARROW ? size(tile.bytes) : share));
	for (const [side, part, all] of [["left", place.x, width], ["top", place.y, height], ["width", place.w, width], ["height", place.h, height]])
		box.style[side] = part / all * 100 + "%";
	box.folder = tile.part;
	if (!tile.part)
		box.classList.add("leaf");
	return box;
}

// A list of tiles, and in each tile that has room for it the list of what is below.
function makeTiles(folder, width, height, colour, depth) {
	const list = make("ul", {role: depth ? "group" : "tree"}), tiles = tilesOf(folder, width * height);
	let number = 0;
	layout(tiles, 0, 0, width, height, (tile, x, y, w, h) => {
		const mine = depth ? colour : number++ % COLOURS, box = makeTile(tile, {x, y, w, h}, width, height);
		if (tile.part) {
			const below = foot(tile.part), wide = w - 2 * FRAME, high = h - HEAD - FRAME;
			const open = depth < NESTED && wide >= ROOM_WIDE && high >= ROOM_HIGH && tilesOf(below, wide * high).some(inner => inner.part);
			box.style.background = "color-mix(in srgb, var(--tile" + mine + ") " + (100 - 25 * depth) + "%, var(--card))";
			if (below.parts.length)
				box.setAttribute("aria-expanded", String(open));
			if (open) {
				box.append(makeTiles(below, wide, high, mine, depth + 1));
				box.classList.add("nested");
			}
		}
		list.append(box);
	});
	return list;
}

const tilesShown = () => [...$("map").querySelectorAll("li")];

// The map is one stop of the Tab key: at the tile where one was.
function stopAt(tile) {
	for (const other of $("map").querySelectorAll("[tabindex='0']"))
		other.tabIndex = -1;
	tile.tabIndex = 0;
}

function drawMap() {
	const map = $("map"), held = map.contains(document.activeElement) ? document.activeElement : null;
	if (!here.all) {
		map.replaceChildren(make("p", {className: "soft"}, "Nothing is saved here."));
		return;
	}
	const list = makeTiles(here, map.clientWidth || 1000, map.clientHeight || 400, 0, 0);
	list.setAttribute("aria-labelledby", "where-title");
	list.setAttribute("aria-describedby", "map-help");
	map.replaceChildren(list);
	stopAt(list.firstChild);
	if (held)
		(tilesShown().find(tile => held.folder && tile.folder === held.folder) || list.firstChild).focus({preventScroll: true});
}

function drawCrumbs() {
	const chain = [];
	for (let folder = here; folder !== root; folder = above(folder))
		chain.unshift(folder);
	chain.unshift(root);
	$("crumbs").replaceChildren(...chain.map(folder => {
		const label = name(folder === root ? path(root) : wayDown(firstOf(folder)));
		if (folder === here)
			return make("li", {"aria-current": "location"}, label, " \u2013 " + size(folder.all));
		const button = make("button", {type: "button"}, label);
		button.addEventListener("click", () => enter(folder));
		return make("li", {}, button);
	}));
}

function show() {
	drawCrumbs();
	drawMap();
	choose();
}

// What was pressed is gone: the keyboard goes on with the first tile there, upwards with the one it comes from.
function go(folder) {
	const from = here;
	here = folder;
	show();
	const tiles = tilesShown(), next = tiles.find(tile => tile.folder && inside(from, tile.folder)) || tiles[0] || $("crumbs").querySelector("button");
	if (next)
		next.focus({preventScroll: true});
}

function enter(folder) {
	history.pushState(folders.indexOf(folder), "");
	go(folder);
}

function leave() {
	if (here !== root)
		enter(above(here));
}

// Whether the tile has something below that the map does not show yet.
const closed = tile => tile.getAttribute("aria-expanded") === "false";
const open = tile => tile.folder && enter(foot(tile.folder));

// Right goes in and Left goes out, and the map goes with them where the tile is too small, or none is left to go out to.
const KEYS = {
	ArrowDown: tile => tile.nextElementSibling,
	ArrowUp: tile => tile.previousElementSibling,
	Home: tile => tile.parentNode.firstElementChild,
	End: tile => tile.parentNode.lastElementChild,
	ArrowRight: tile => closed(tile) ? open(tile) : tile.querySelector("li"),
	ArrowLeft: tile => tile.parentNode.closest("li") || leave(),
	Enter: open,
	" ": open,
};

// The next tile whose name begins with the letter, round about.
function spelled(tile, letter) {
	const tiles = tilesShown(), at = tiles.indexOf(tile) + 1;
	return [...tiles.slice(at), ...tiles.slice(0, at)].find(other => other.ariaLabel.toLowerCase().startsWith(letter.toLowerCase()));
}

function onKey(event) {
	const tile = event.target.closest("li");
	if (!tile || event.ctrlKey || event.altKey || event.metaKey)
		return;
	if (!Object.hasOwn(KEYS, event.key) && event.key.length > 1)
		return;
	event.preventDefault();
	const next = Object.hasOwn(KEYS, event.key) ? KEYS[event.key](tile) : spelled(tile, event.key);
	if (next)
		next.focus({preventScroll: true});
}

function watchMap() {
	history.replaceState(folders.indexOf(root), "");
	addEventListener("popstate", event => go(folders[event.state] || root));
	$("map").addEventListener("keydown", onKey);
	$("map").addEventListener("focusin", event => stopAt(event.target));
	$("map").addEventListener("click", event => event.target.closest("li") && open(event.target.closest("li")));
	$("map").parentNode.addEventListener("keydown", event => event.key === "Escape" && leave());
}

// ---- bars

// Ranges of which nothing is left out at either end.
function trim(rows) {
	const some = row => row[2] > 0, first = rows.findIndex(some);
	return first < 0 ? [] : rows.slice(first, rows.findLastIndex(some) + 1);
}

function bars(id, heading, rows) {
	const table = $(id), most = Math.max(...rows.map(row => row[1]), 1);
	table.append(make("thead", {}, make("tr", {}, make("th", {scope: "col"}, heading),
		make("th", {scope: "col", className: "number"}, "saved"), make("td", {ariaHidden: "true"}),
		make("th", {scope: "col", className: "number"}, "names"))));
	const body = make("tbody");
	for (const [label, bytes, names] of rows) {
		const bar = make("div");
		bar.style.width = bytes / most * 100 + "%";
		body.append(make("tr", {}, make("th", {scope: "row"}, label), make("td", {className: "number"}, size(bytes)),
			make("td", {className: "bar", ariaHidden: "true"}, bar),
			make("td", {className: "number"}, grouped.format(names))));
	}
	table.append(body);
}

function histograms() {
	const kinds = (summary.kinds || []).map(([suffix, bytes, names]) => [suffix ? "*." + suffix : "no suffix", bytes, names]);
	const shown = kinds.slice(0, 11), rest = kinds.slice(11);
	if (rest.length)
		shown.push(["other kinds", rest.reduce((sum, kind) => sum + kind[1], 0),
			    rest.reduce((sum, kind) => sum + kind[2], 0)]);
	bars("kinds", "Suffix", shown);
	const ranges = ["below 4 KiB", "4 \u2013 16 KiB", "16 \u2013 64 KiB", "64 \u2013 256 KiB", "256 KiB \u2013 1 MiB",
			"1 \u2013 4 MiB", "4 \u2013 16 MiB", "16 \u2013 64 MiB", "64 \u2013 256 MiB", "256 MiB \u2013 1 GiB",
			"1 \u2013 4 GiB", "4 GiB and more"];
	bars("sizes", "Size of a file", trim((summary.sizes || []).map(([bytes, names], i) => [ranges[i], bytes, names])));
	const ages = ["under a day", "under a week", "under a month", "under 3 months", "under a year", "1 \u2013 2 years",
		      "2 \u2013 5 years", "5 years and more"];
	bars("ages", "Last written", trim((summary.ages || []).map(([bytes, names], i) => [ages[i], bytes, names])));
}

// ---- the sets

let order = "freed", down = true, chosen = [], page = 0;
const lower = places.map(place => place.toLowerCase());
const pathOf = (set, at) => places[set[at]] === "/" ? "/" + set[at + 1] : places[set[at]] + "/" + set[at + 1];
const VALUES = {
	freed: set => set[FREED], size: set => set[SIZE], names: set => set[NAMES], path: set => pathOf(set, FIRST),
};

// Whether any name matches; a search with a slash is about whole paths.
function matcher(words) {
	if (!words)
		return () => true;
	if (words.includes("/")) {
		return set => {
			for (let at = FIRST; at < set.length; at += EACH)
				if ((lower[set[at]] + "/" + set[at + 1].toLowerCase()).includes(words))
					return true;
			return false;
		};
	}
	const inPlace = lower.map(place => place.includes(words));
	return set => {
		for (let at = FIRST; at < set.length; at += EACH)
			if (inPlace[set[at]] || set[at + 1].toLowerCase().includes(words))
				return true;
		return false;
	};
}

// Whether a name that went, or would, is below the folder that the map shows.
function belowHere() {
	if (here === root)
		return () => true;
	const above = path(here), inside = above.endsWith("/") ? above : above + "/";
	const below = places.map(place => place === above || place.startsWith(inside));
	return set => {
		for (let at = FIRST; at < set.length; at += EACH)
			if (below[set[at]] && (set[at + 2] === 1 || set[at + 2] === 2))
				return true;
		return false;
	};
}

function sorted(list) {
	const value = VALUES[order], keyed = list.map((set, i) => [value(set), i, set]);
	const sign = down ? -1 : 1;
	keyed.sort((a, b) => a[0] < b[0] ? -sign : a[0] > b[0] ? sign : a[1] - b[1]);
	return keyed.map(entry => entry[2]);
}

function choose() {
	const matches = matcher($("search").value.trim().toLowerCase()), below = belowHere();
	chosen = sorted(sets.filter(set => below(set) && matches(set)));
	page = 0;
	const bytes = chosen.reduce((sum, set) => sum + set[FREED], 0);
	const found = [count(chosen.length, "set", "sets") + ", " + size(bytes)];
	if (here !== root)
		found.push(", with copies below ", name(path(here)));
	if (sets.length < summary.sets)
		found.push("; the " + count(summary.sets - sets.length, "set", "sets") + " that save least are not listed");
	const told = make("p", {}, ...found);
	if (told.textContent !== $("found").textContent) // the same words again would be read out again
		$("found").replaceChildren(...told.childNodes);
	drawPage();
}

function row(set) {
	const list = make("ul"), held = (set.length - FIRST) / EACH;
	const cell = make("td", {}, list);
	function add(from, to) {
		for (let i = from; i < to; i++) {
			const at = FIRST + i * EACH, fate = set[at + 2];
			list.append(make("li", {className: fate ? "" : "keeper"}, name(pathOf(set, at)),
				make("span", {className: "fate"}, " " + FATES[fate] + ", " + day(set[at + 3]))));
		}
	}
	add(0, Math.min(PREVIEW, held));
	if (set[NAMES] > PREVIEW) {
		const more = make("button", {type: "button", className: "more", ariaExpanded: "false"},
				  "and " + count(set[NAMES] - PREVIEW, "other", "others"));
		more.addEventListener("click", () => {
			const open = more.getAttribute("aria-expanded") === "true";
			more.setAttribute("aria-expanded", String(!open));
			more.textContent = open ? "and " + count(set[NAMES] - PREVIEW, "other", "others") : "fewer";
			if (open)
				while (list.children.length > PREVIEW)
					list.lastChild.remove();
			else {
				add(PREVIEW, held);
				if (set[NAMES] > held)
					list.append(make("li", {}, "and " + count(set[NAMES] - held, "other", "others") +
							 " that this page does not hold"));
			}
		});
		cell.append(more);
	}
	return make("tr", {}, make("td", {className: "number"}, size(set[FREED])), make("td", {className: "number"}, size(set[SIZE])),
		    make("td", {className: "number"}, grouped.format(set[NAMES])), cell);
}

// What the eye sees at once: the order and the page.
function say(words) {
	$("said").textContent = words;
}

function drawPage() {
	const from = page * PAGE, to = Math.min(from + PAGE, chosen.length), last = Math.max(Math.ceil(chosen.length / PAGE) - 1, 0);
	// All rows at once: Orca gives up on what it is told when a hundred of them come and go one by one.
	$("table").tBodies[0].replaceWith(make("tbody", {}, ...chosen.slice(from, to).map(row)));
	$("page").textContent = chosen.length ? grouped.format(from + 1) + " \u2013 " + grouped.format(to) + " of " +
		grouped.format(chosen.length) : "none";
	$("first").disabled = $("previous").disabled = page === 0;
	$("next").disabled = $("last").disabled = page === last;
	for (const [id, target] of [["first", 0], ["previous", page - 1], ["next", page + 1], ["last", last]])
		$(id).onclick = () => {
			page = target;
			drawPage();
			say("Sets " + $("page").textContent);
			$("sets").scrollIntoView();
			if ($(id).disabled) // would take the focus with it
				$(page ? "previous" : "next").focus({preventScroll: true});
		};
}

function watchTable() {
	for (const button of $("table").querySelectorAll("th button")) {
		button.addEventListener("click", () => {
			const key = button.dataset.key;
			down = order === key ? !down : key !== "path";
			order = key;
			for (const th of $("table").querySelectorAll("th"))
				th.removeAttribute("aria-sort");
			button.parentNode.setAttribute("aria-sort", down ? "descending" : "ascending");
			choose();
			say("Sorted by " + button.textContent.toLowerCase() + ", " + (down ? "descending" : "ascending"));
		});
	}
	let waiting = 0;
	$("search").addEventListener("input", () => {
		clearTimeout(waiting);
		waiting = setTimeout(choose, 150);
	});
}

// ---- left alone

function leftAlone() {
	const rows = [];
	for (const [words, files, bytes] of summary.apart || [])
		rows.push([bytes, "Equal, but they differ in " + (words.split(",").join(" and ") || "encryption or fs-verity"),
			   count(files, "file", "files"), size(bytes), words ? make("code", {}, "--ignore " + words) : ""]);
	rows.sort((a, b) => b[0] - a[0]);
	for (const issue of summary.issues || []) {
		const what = [issue.kind === "error" ? "Error: could not " + issue.attempt : issue.kind === "skip" ? "Left" : "Note"];
		what.push(": " + issue.why);
		if (issue.path)
			what.push(make("br"), name(issue.path), issue.count > 1 ? " and " + count(issue.count - 1, "other", "others") : "");
		const retry = /in use|changed/.test(issue.why) && issue.kind === "skip";
		rows.push([0, what, grouped.format(issue.count), "", retry ? "the next run tries again" : ""]);
	}
	const table = $("left");
	if (!rows.length) {
		table.replaceWith(make("p", {}, "Nothing that is equal was left."));
		return;
	}
	table.append(make("thead", {}, make("tr", {}, ...["What", "How many", "Space", "What would change it"].map((text, i) =>
		make("th", {scope: "col", className: i === 1 || i === 2 ? "number" : ""}, text)))));
	const body = make("tbody");
	for (const [, what, files, bytes, option] of rows)
		body.append(make("tr", {}, make("td", {}, ...[what].flat()), make("td", {className: "number"}, files),
			make("td", {className: "number"}, bytes), make("td", {}, option)));
	table.append(body);
}

head();
histograms();
watchMap();
watchTable();
leftAlone();
show();
let resizing = 0;
addEventListener("resize", () => {
	clearTimeout(resizing);
	resizing = setTimeout(drawMap, 100);
});
document.documentElement.dataset.ready = "yes";
})();
