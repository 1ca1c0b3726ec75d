# The functions of nixpkgs' `lib` that inventories use, each equal to its namesake there. The sets are the files of
# nixpkgs that have them, so that both `lib.lists.range` and `lib.range` are found. The argument holds what Nix's own
# functions could only do with a regular expression.
{ splitString }:
let
  inherit (builtins)
    attrNames attrValues catAttrs concatLists concatMap concatStringsSep elem elemAt filter
    foldl' functionArgs genList getAttr groupBy hasAttr head intersectAttrs isAttrs isBool isFloat isFunction isInt
    isList isPath isString length lessThan listToAttrs map mapAttrs partition removeAttrs replaceStrings sort
    stringLength substring tail toString typeOf zipAttrsWith;

  trivial = {
    inherit (builtins) add bitAnd bitOr bitXor ceil floor lessThan seq deepSeq sub;
    inherit (builtins) isBool isFloat isInt;
    id = x: x;
    const = x: y: x;
    pipe = foldl' (x: f: f x);
    concat = x: y: x ++ y;
    or = x: y: x || y;
    and = x: y: x && y;
    boolToString = b: if b then "true" else "false";
    mergeAttrs = x: y: x // y;
    flip = f: a: b: f b a;
    mapNullable = f: a: if a == null then a else f a;
    min = x: y: if x < y then x else y;
    max = x: y: if x > y then x else y;
    mod = base: int: base - (int * (base / int));
    compare = a: b: if a < b then -1 else if a > b then 1 else 0;
    toHexString = i:
      let digit = d: substring d 1 "0123456789ABCDEF"; in
      concatStringsSep "" (map digit (trivial.toBaseDigits 16 i));
    toBaseDigits = base: i:
      let
        go = i: if i < base then [ i ] else go (i / base) ++ [ (trivial.mod i base) ];
      in
      if i < 0 || base < 2 then throw "toBaseDigits needs a number of at least 0 and a base of at least 2" else go i;
    isFunction = f: builtins.isFunction f || (f ? __functor && trivial.isFunction (f.__functor f));
    functionArgs = f:
      if f ? __functor then f.__functionArgs or (trivial.functionArgs (f.__functor f)) else functionArgs f;
    warnIf = cond: msg: x: x;
    warn = msg: x: x;
    throwIf = cond: msg: x: if cond then throw msg else x;
    throwIfNot = cond: msg: x: if cond then x else throw msg;
  };

  lists = {
    inherit (builtins) head tail length elem elemAt filter map concatLists concatMap foldl' genList sort any all
      partition groupBy isList;
    singleton = x: [ x ];
    forEach = xs: f: map f xs;
    foldr = f: nul: list:
      let
        len = length list;
        go = n: if n == len then nul else f (elemAt list n) (go (n + 1));
      in
      go 0;
    fold = lists.foldr;
    foldl = f: nul: list:
      let
        go = n: if n < 0 then nul else f (go (n - 1)) (elemAt list n);
      in
      go (length list - 1);
    imap0 = f: list: genList (n: f n (elemAt list n)) (length list);
    imap1 = f: list: genList (n: f (n + 1) (elemAt list n)) (length list);
    ifilter0 = f: list: map (i: elemAt list i) (filter (i: f i (elemAt list i)) (lists.range 0 (length list - 1)));
    flatten = x: if isList x then concatMap lists.flatten x else [ x ];
    remove = e: filter (x: x != e);
    findSingle = pred: default: multiple: list:
      let
        found = filter pred list;
        len = length found;
      in
      if len == 0 then default else if len != 1 then multiple else head found;
    findFirstIndex = pred: default: list:
      let
        len = length list;
        go = n: if n == len then default else if pred (elemAt list n) then n else go (n + 1);
      in
      go 0;
    findFirst = pred: default: list:
      let
        index = lists.findFirstIndex pred null list;
      in
      if index == null then default else elemAt list index;
    count = pred: foldl' (c: x: if pred x then c + 1 else c) 0;
    optional = cond: elem: if cond then [ elem ] else [ ];
    optionals = cond: elems: if cond then elems else [ ];
    toList = x: if isList x then x else [ x ];
    range = first: last: if first > last then [ ] else genList (n: first + n) (last - first + 1);
    replicate = n: elem: genList (_: elem) n;
    zipListsWith = f: fst: snd:
      genList (n: f (elemAt fst n) (elemAt snd n)) (trivial.min (length fst) (length snd));
    zipLists = lists.zipListsWith (fst: snd: { inherit fst snd; });
    reverseList = xs:
      let
        len = length xs;
      in
      genList (n: elemAt xs (len - n - 1)) len;
    sortOn = f: list: map (x: elemAt x 1) (sort (a: b: head a < head b) (map (x: [ (f x) x ]) list));
    take = count: lists.sublist 0 count;
    takeEnd = n: xs: lists.drop (trivial.max 0 (length xs - n)) xs;
    drop = count: list: lists.sublist count (length list) list;
    dropEnd = n: xs: lists.take (trivial.max 0 (length xs - n)) xs;
    sublist = start: count: list:
      let
        len = length list;
      in
      genList (n: elemAt list (n + start)) (
        if start >= len then 0 else if start + count > len then len - start else count
      );
    hasPrefix = list1: list2: lists.take (length list1) list2 == list1;
    removePrefix = list1: list2:
      if lists.hasPrefix list1 list2 then lists.drop (length list1) list2 else throw "lists.removePrefix: no such prefix";
    last = list: if list == [ ] then throw "lists.last: list must not be empty!" else elemAt list (length list - 1);
    init = list:
      if list == [ ] then throw "lists.init: list must not be empty!" else lists.take (length list - 1) list;
    crossLists = f: foldl' (fs: args: concatMap (f: map f args) fs) [ f ];
    unique = foldl' (acc: e: if elem e acc then acc else acc ++ [ e ]) [ ];
    uniqueStrings = list: attrNames (groupBy trivial.id list);
    allUnique = list: length (lists.unique list) == length list;
    intersectLists = e: filter (x: elem x e);
    subtractLists = e: filter (x: !(elem x e));
    mutuallyExclusive = a: b: length a == 0 || !(builtins.any (x: elem x a) b);
    groupBy' = op: nul: pred: lst: mapAttrs (name: foldl' op nul) (groupBy pred lst);
    compareLists = cmp: a: b:
      if a == [ ] then
        if b == [ ] then 0 else -1
      else if b == [ ] then
        1
      else
        let
          rel = cmp (head a) (head b);
        in
        if rel == 0 then lists.compareLists cmp (tail a) (tail b) else rel;
  };

  attrsets = {
    inherit (builtins) attrNames attrValues catAttrs getAttr hasAttr intersectAttrs isAttrs listToAttrs mapAttrs
      removeAttrs zipAttrsWith;
    attrByPath = path: default: set:
      let
        len = length path;
        go = n: s: if n == len then s else if s ? ${elemAt path n} then go (n + 1) s.${elemAt path n} else default;
      in
      go 0 set;
    hasAttrByPath = path: set:
      let
        len = length path;
        go = n: s: n == len || (s ? ${elemAt path n} && go (n + 1) s.${elemAt path n});
      in
      go 0 set;
    getAttrFromPath = path: attrsets.attrByPath path (throw "cannot find attribute `${concatStringsSep "." path}`");
    setAttrByPath = path: value:
      let
        len = length path;
        go = n: if n == len then value else { ${elemAt path n} = go (n + 1); };
      in
      go 0;
    concatMapAttrs = f: set: foldl' trivial.mergeAttrs { } (attrValues (mapAttrs f set));
    attrVals = names: set: map (name: set.${name}) names;
    getAttrs = names: set: listToAttrs (map (name: { inherit name; value = set.${name}; }) names);
    filterAttrs = pred: set: removeAttrs set (filter (name: !(pred name set.${name})) (attrNames set));
    filterAttrsRecursive = pred: set:
      listToAttrs (
        concatMap (
          name:
          let
            v = set.${name};
          in
          if pred name v then
            [ { inherit name; value = if isAttrs v then attrsets.filterAttrsRecursive pred v else v; } ]
          else
            [ ]
        ) (attrNames set)
      );
    foldlAttrs = f: init: set: foldl' (acc: name: f acc name set.${name}) init (attrNames set);
    foldAttrs = op: nul: list:
      lists.foldr (
        n: a: lists.foldr (name: o: o // { ${name} = op n.${name} (a.${name} or nul); }) a (attrNames n)
      ) { } list;
    mapAttrs' = f: set: listToAttrs (map (name: f name set.${name}) (attrNames set));
    mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
    attrsToList = attrsets.mapAttrsToList attrsets.nameValuePair;
    mapAttrsRecursive = f: attrsets.mapAttrsRecursiveCond (as: true) f;
    mapAttrsRecursiveCond = cond: f: set:
      let
        go = path: mapAttrs (
          name: value:
          let
            path' = path ++ [ name ];
          in
          if isAttrs value && cond value then go path' value else f path' value
        );
      in
      go [ ] set;
    genAttrs = names: f: listToAttrs (map (name: { inherit name; value = f name; }) names);
    genAttrs' = xs: f: listToAttrs (map f xs);
    nameValuePair = name: value: { inherit name value; };
    optionalAttrs = cond: as: if cond then as else { };
    zipAttrsWithNames = names: f: sets:
      listToAttrs (map (name: { inherit name; value = f name (catAttrs name sets); }) names);
    zipAttrs = zipAttrsWith (name: values: values);
    mergeAttrsList = list: foldl' trivial.mergeAttrs { } list;
    recursiveUpdateUntil = pred: lhs: rhs:
      let
        go = path: zipAttrsWith (
          n: values:
          let
            here = path ++ [ n ];
          in
          if length values == 1 || pred here (elemAt values 1) (head values) then head values else go here values
        );
      in
      go [ ] [ rhs lhs ];
    recursiveUpdate = attrsets.recursiveUpdateUntil (path: lhs: rhs: !(isAttrs lhs && isAttrs rhs));
    isDerivation = value: value.type or null == "derivation";
    cartesianProduct = attrsOfLists:
      foldl' (
        listOfAttrs: attrName:
        concatMap (attrs: map (listValue: attrs // { ${attrName} = listValue; }) attrsOfLists.${attrName}) listOfAttrs
      ) [ { } ] (attrNames attrsOfLists);
    collect = pred: attrs:
      if pred attrs then
        [ attrs ]
      else if isAttrs attrs then
        concatMap (attrsets.collect pred) (attrValues attrs)
      else
        [ ];
  };

  letters = strings.stringToCharacters "abcdefghijklmnopqrstuvwxyz";
  capitals = strings.stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

  strings = {
    inherit (builtins) concatStringsSep isInt isList isPath isString replaceStrings stringLength substring toJSON
      typeOf fromJSON isAttrs elem elemAt filter head tail;
    concatStrings = concatStringsSep "";
    concatMapStrings = f: list: concatStringsSep "" (map f list);
    concatImapStrings = f: list: concatStringsSep "" (lists.imap1 f list);
    concatMapStringsSep = sep: f: list: concatStringsSep sep (map f list);
    concatImapStringsSep = sep: f: list: concatStringsSep sep (lists.imap1 f list);
    concatMapAttrsStringSep = sep: f: attrs: concatStringsSep sep (attrValues (mapAttrs f attrs));
    concatLines = strings.concatMapStrings (s: s + "\n");
    intersperse = separator: list:
      if list == [ ] || length list == 1 then list else tail (concatMap (x: [ separator x ]) list);
    replicate = n: s: strings.concatStrings (lists.replicate n s);
    optionalString = cond: string: if cond then string else "";
    hasPrefix = pref: str: substring 0 (stringLength pref) str == pref;
    hasSuffix = suffix: content:
      let
        long = stringLength content;
        short = stringLength suffix;
      in
      long >= short && substring (long - short) long content == suffix;
    hasInfix = infix: content: replaceStrings [ infix ] [ "" ] content != "${content}" || infix == "";
    removePrefix = prefix: str:
      if strings.hasPrefix prefix str then substring (stringLength prefix) (-1) str else str;
    removeSuffix = suffix: str:
      if strings.hasSuffix suffix str then substring 0 (stringLength str - stringLength suffix) str else str;
    stringToCharacters = s: genList (p: substring p 1 s) (stringLength s);
    stringAsChars = f: s: strings.concatStrings (map f (strings.stringToCharacters s));
    escape = list: replaceStrings list (map (c: "\\${c}") list);
    toLower = replaceStrings capitals letters;
    toUpper = replaceStrings letters capitals;
    splitString = sep: s: splitString sep (toString s);
    fixedWidthString = width: filler: str:
      let
        strw = stringLength str;
        reqWidth = width - (stringLength filler);
      in
      if strw > width then
        throw "fixedWidthString: requested string length (${toString width}) must not be shorter than actual length (${toString strw})"
      else if strw == width then
        str
      else
        filler + strings.fixedWidthString reqWidth filler str;
    fixedWidthNumber = width: n: strings.fixedWidthString width "0" (toString n);
    join = concatStringsSep;
  };
in
{
  inherit attrsets lists strings trivial;
  # Where two files have the same name, `lib` itself has the one of `lists` or of `strings`.
  all = removeAttrs (trivial // attrsets // lists // strings // { inherit (lists) replicate; }) [ "findFirstIndex" ];
}
