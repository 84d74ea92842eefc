//! Circles: files or folders that need one another, by however many steps.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::module_of;
use super::source::{Path, Source};

type Module = Vec<String>;

/// An import, by its two ends; where several have the same, the first.
type Imports = BTreeMap<(Module, Module), String>;

/// The circles in these files, each with the imports that make it.
///
/// At every folder its files and folders are looked at as wholes, so a circle of files is found where their ways
/// part. What a module only hands on (`pub use`) is an import of whoever takes it from there.
pub(super) fn circles(files: &[(String, Source)]) -> Vec<String> {
    let imports = imports(files);
    let folders: BTreeSet<&[String]> = imports
        .keys()
        .flat_map(|(from, to)| [from, to])
        .flat_map(|module| (0..module.len()).map(move |length| &module[..length]))
        .collect();
    folders.into_iter().flat_map(|folder| circles_in(folder, &imports)).collect()
}

fn imports(files: &[(String, Source)]) -> Imports {
    let files: Vec<(&str, Module, Vec<Path>)> = files
        .iter()
        .map(|(file, source)| (file.as_str(), module_of(file), source))
        .filter(|(_, module, _)| !module.is_empty())
        .map(|(file, module, source)| (file, module.clone(), source.paths(&module)))
        .collect();
    let mut exports = HashMap::new();
    for (_, module, paths) in &files {
        for path in paths {
            if let Some(name) = &path.exported_as {
                exports.insert((module.clone(), name.clone()), path.segments.clone());
            }
        }
    }
    let modules: BTreeSet<Module> = files.iter().map(|(_, module, _)| module.clone()).collect();
    let mut found = Imports::new();
    for (file, module, paths) in &files {
        for path in paths.iter().filter(|path| path.exported_as.is_none()) {
            if let Some(other) = target(module, &path.segments, &modules, &exports)
                && other != *module
            {
                let place = format!("src/{file}:{}", path.line);
                found.entry((module.clone(), other)).or_insert(place);
            }
        }
    }
    found
}

/// The module in which what a path names is defined.
fn target(
    module: &[String],
    path: &[String],
    modules: &BTreeSet<Module>,
    exports: &HashMap<(Module, String), Module>,
) -> Option<Module> {
    let whole: Module = match path {
        [root, rest @ ..] if root == "crate" => rest.to_vec(),
        // A module knows its children by their names.
        [child, _, ..] if modules.contains(&[module, std::slice::from_ref(child)].concat()) => {
            [module, path].concat()
        }
        _ => return None,
    };
    let length = (1..=whole.len()).rev().find(|length| modules.contains(&whole[..*length]))?;
    let (found, rest) = whole.split_at(length);
    if let Some((name, rest)) = rest.split_first()
        && let Some(exported) = exports.get(&(found.to_vec(), name.clone()))
    {
        return target(found, &[exported, rest].concat(), modules, exports);
    }
    Some(found.to_vec())
}

/// The imports between what stands in a folder, each file or folder in it as a whole; its own file is one of them.
fn between(folder: &[String], imports: &Imports) -> Imports {
    let within = |module: &Module| {
        module.starts_with(folder).then(|| module[..module.len().min(folder.len() + 1)].to_vec())
    };
    let mut between = Imports::new();
    for ((from, to), place) in imports {
        if let (Some(from), Some(to)) = (within(from), within(to))
            && from != to
        {
            between.entry((from, to)).or_insert_with(|| place.clone());
        }
    }
    between
}

/// What in a folder imports from a layer above its own; `layers` are the names in it, the lowest first. Its own file,
/// which is known by the folder's name, may hand anything on.
pub(super) fn against_layers(folder: &str, layers: &[&[&str]], files: &[(String, Source)]) -> Vec<String> {
    let layer_of = |module: &Module| {
        let name = module.last().expect("no module is without a name").as_str();
        layers
            .iter()
            .position(|layer| layer.contains(&name))
            .ok_or_else(|| format!("`{folder}`: no layer has `{name}`"))
    };
    let mut found = Vec::new();
    for ((from, to), place) in between(&[folder.to_owned()], &imports(files)) {
        match (layer_of(&from), layer_of(&to)) {
            (Ok(below), Ok(above)) if below < above => {
                found.push(format!("{place}: `{}` is below `{}`", from.join("::"), to.join("::")));
            }
            (Ok(_), Ok(_)) => {}
            (from, to) => found.extend([from, to].into_iter().filter_map(Result::err)),
        }
    }
    found
}

/// The circles of what stands in a folder.
fn circles_in(folder: &[String], imports: &Imports) -> Vec<String> {
    let between = between(folder, imports);
    let mut seen: BTreeSet<&Module> = BTreeSet::new();
    let mut circles = Vec::new();
    for (start, _) in between.keys() {
        if seen.contains(start) {
            continue;
        }
        if let Some(circle) = shortest_circle(start, &between) {
            seen.extend(circle.iter().copied());
            let steps = circle.iter().zip(circle.iter().cycle().skip(1)).map(|(from, to)| {
                let place = &between[&((*from).clone(), (*to).clone())];
                format!("`{}` needs `{}` ({place})", from.join("::"), to.join("::"))
            });
            circles.push(steps.collect::<Vec<_>>().join(", "));
        }
    }
    circles
}

/// The shortest way from a module back to itself.
fn shortest_circle<'i>(start: &'i Module, imports: &'i Imports) -> Option<Vec<&'i Module>> {
    let mut came_from: BTreeMap<&Module, &Module> = BTreeMap::new();
    let mut pending = VecDeque::from([start]);
    while let Some(at) = pending.pop_front() {
        for (_, to) in imports.keys().filter(|(from, _)| from == at) {
            if to == start {
                let mut circle = vec![at];
                while let Some(before) = came_from.get(circle[circle.len() - 1]) {
                    circle.push(before);
                }
                circle.reverse();
                return Some(circle);
            }
            if !came_from.contains_key(to) {
                came_from.insert(to, at);
                pending.push_back(to);
            }
        }
    }
    None
}
